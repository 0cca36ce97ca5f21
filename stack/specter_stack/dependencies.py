"""The list of what the shop depends on, at the addresses of this run, and what is generated from it."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import yaml

from specter_exporters.dependencies import blackbox
from specter_exporters.dependencies.config import load
from specter_stack.configure import link_to, replace_text, shared_file
from specter_stack.layout import Layout

LIST = "stack/exporters/dependencies.yml"
PASSWORD = "customer-password"  # noqa: S105  a file's name, of a demo's customer whose password is no secret
GENERATED = "prometheus/dependencies"


def blackbox_config(layout: Layout) -> Path:
    """Return where the blackbox exporter's modules are."""
    return layout.etc / GENERATED / blackbox.MODULES


def configure_dependencies(
    layout: Layout, addresses: Mapping[str, str], absent: Collection[str] = ()
) -> Path:
    """Write the list, and what blackbox_exporter and Prometheus read of it; return the list's path.

    Args:
        layout: the folders of the run.
        addresses: HOST:PORT of this run by HOST:PORT in docker-compose.yml; others stay as they are.
        absent: names of dependencies that this run has not.

    Raises:
        StackError: the checkout has no list.
        ConfigError: the list is wrong.
    """
    folder = layout.etc / "exporters"
    folder.mkdir(parents=True, exist_ok=True)
    text = shared_file(layout, LIST).read_text(encoding="utf-8")
    document = yaml.safe_load(re.sub(r"[\w-]+:\d+", lambda found: addresses.get(found[0], found[0]), text))
    document["dependencies"] = [each for each in document["dependencies"] if each["name"] not in absent]
    for each in document["dependencies"]:
        if "credential" in each:
            secret = each["credential"]["secret"]
            secret["file"] = str(layout.secrets / Path(secret["file"]).name)
    link_to(folder / PASSWORD, shared_file(layout, f"stack/exporters/{PASSWORD}"))
    path = folder / "dependencies.yml"
    replace_text(path, yaml.safe_dump(document, sort_keys=False))
    generated = layout.etc / GENERATED
    generated.mkdir(parents=True, exist_ok=True)
    for name, rendered in blackbox.render(load(path)).items():
        replace_text(generated / name, rendered)
    return path
