"""docker-compose.yml as values: what the tests of it ask for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
OWN_IMAGE = "specter-demo"
# (service, variable) of what is told to somebody outside: a browser on the host calls a published port.
FOR_THE_HOST = {("shop", "SHOP_BEACON_URL")}


@dataclass(frozen=True, slots=True)
class Mount:
    """One entry of `volumes`: a path of the checkout or a named volume, and where it appears."""

    source: str
    target: PurePosixPath
    read_only: bool

    @property
    def bind(self) -> bool:
        return self.source.startswith((".", "/"))

    @property
    def path(self) -> Path:
        return CHECKOUT / self.source


@dataclass(frozen=True, slots=True)
class Container:
    """One service."""

    name: str
    body: Mapping[str, Any]

    @property
    def image(self) -> str:
        return str(self.body["image"])

    @property
    def own(self) -> bool:
        return self.image.partition(":")[0] == OWN_IMAGE

    @property
    def once(self) -> bool:
        return bool(self.body["restart"] == "no")

    @property
    def uid(self) -> int:
        return int(self.body["user"].partition(":")[0])

    @property
    def command(self) -> list[str]:
        return list(self.body.get("command", []))

    @property
    def flags(self) -> dict[str, str | None]:
        """`--name=value` arguments by name; None for a flag without a value."""
        parts = [word.partition("=") for word in self.command if word.startswith("--")]
        return {name: value if equals else None for name, equals, value in parts}

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.body.get("environment", {}))

    @property
    def mounts(self) -> list[Mount]:
        mounts = []
        for entry in self.body.get("volumes", []):
            source, target, *mode = entry.split(":")
            assert mode in ([], ["ro"]), entry
            mounts.append(Mount(source, PurePosixPath(target), mode == ["ro"]))
        return mounts

    @property
    def ports(self) -> list[tuple[str, int, int]]:
        """(address of the host, port of the host, port of the container)."""
        split = [entry.split(":") for entry in self.body.get("ports", [])]
        return [(address, int(host), int(inside)) for address, host, inside in split]

    @property
    def needs(self) -> dict[str, str]:
        """Conditions by the service that must meet them."""
        return {name: each["condition"] for name, each in self.body.get("depends_on", {}).items()}

    def mount_of(self, path: str) -> Mount:
        """Return the mount that `path` of the container is in."""
        found = [mount for mount in self.mounts if PurePosixPath(path).is_relative_to(mount.target)]
        assert found, f"{self.name}: {path} is in no volume"
        return max(found, key=lambda mount: len(mount.target.parts))


def service_of(port: str) -> str:
    """Return the service here of what the native run calls a port.

    An exporter that takes events has a second one for them, the payment provider one for its status page.
    """
    return "specter-notifications" if port == "notifications" else re.sub("-(events|status)$", "", port)


def load_compose() -> dict[str, Any]:
    """Return the parsed file, anchors and merges resolved."""
    document = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def load_containers() -> dict[str, Container]:
    """Return every service by name."""
    return {name: Container(name, body) for name, body in load_compose()["services"].items()}
