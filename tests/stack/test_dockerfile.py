"""The Dockerfile against the checkout, the lock and docker-compose.yml."""

import json
import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.stack.compose_file import CHECKOUT, load_containers

TEXT = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
# Comments out, continued lines joined.
LINES = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
CONTAINERS = load_containers()


def instructions(name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in LINES if line.startswith(f"{name} ")]


def commands() -> list[list[str]]:
    """Return every RUN, which must be a JSON list: no shell takes part."""
    return [json.loads(each) for each in instructions("RUN")]


def test_every_base_is_pinned_and_promtool_is_that_of_the_prometheus_that_runs() -> None:
    bases = [each.split()[0] for each in instructions("FROM")]
    prometheus, build, final = bases
    assert prometheus == CONTAINERS["prometheus"].image
    assert build == final
    match = re.fullmatch(r"python:(\d+\.\d+\.\d+)-slim-bookworm", final)
    assert match
    assert match[1] in SpecifierSet(PROJECT["project"]["requires-python"])


def test_it_runs_as_an_ordinary_user_and_without_a_shell() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert LINES.index("USER 10001:10001") > LINES.index(f"FROM {instructions('FROM')[-1]}")
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["specter"]
    assert all(commands())


def test_every_copied_file_exists_and_is_sent_to_the_build() -> None:
    ignore = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    sent = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied: set[str] = set()
    for each in instructions("COPY"):
        if not each.startswith("--from="):
            *sources, target = each.split()
            copied |= {source.rstrip("/") for source in sources}
            assert target == "./" or [target] == sources
    assert copied == sent
    for path in copied:
        assert (CHECKOUT / path).exists()


def test_every_package_of_the_checkout_is_in_it() -> None:
    copied = " ".join(instructions("COPY"))
    for folder in PROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"]:
        assert re.search(rf"\b{folder}/specter_\w+/ ", copied)


def test_dependencies_come_from_the_lock_with_their_hashes() -> None:
    install = next(command for command in commands() if "requirements.lock" in command)
    assert {"--require-hashes", "--only-binary=:all:", "--no-binary=drain3"} <= set(install)
    project = next(command for command in commands() if "--editable" in command)
    assert {"--no-deps", "--no-build-isolation"} <= set(project)


def test_it_drops_the_development_tools_and_nothing_that_runs() -> None:
    dropped = next(command for command in commands() if "uninstall" in command)
    names = dropped[dropped.index("--yes") + 1 :]
    groups = PROJECT["dependency-groups"]
    assert set(names) == {canonicalize_name(Requirement(each).name) for each in groups["dev"]}
    assert names[-1] == "pip"
    assert needed([*PROJECT["project"]["dependencies"], *extras(), *groups["demo"]]) & set(names) == set()


def extras() -> list[str]:
    optional = PROJECT["project"]["optional-dependencies"]
    return [each for name, group in optional.items() if name != "all" for each in group]


def needed(roots: Iterable[str]) -> set[str]:
    """Return what the requirements `roots` pull in, by the metadata of what is installed."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(each) for each in roots]
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in found:
            continue
        found.add(key)
        for text in requires(requirement.name) or []:
            inner = Requirement(text)
            wanted = ({"extra": extra} for extra in ("", *requirement.extras))
            if inner.marker is None or any(inner.marker.evaluate(each) for each in wanted):
                waiting.append(inner)
    return {name for name, _ in found}


def test_the_coaching_service_s_image_has_a_pinned_node_and_every_file_of_it() -> None:
    folder = CHECKOUT / str(CONTAINERS["coaching"].body["build"])
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    match = re.search(r"^FROM node:(\d+\.\d+\.\d+)-bookworm-slim$", text, re.MULTILINE)
    assert match
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    assert match[1] in SpecifierSet(package["engines"]["node"])
    copied = {name for line in re.findall(r"^COPY (.*) \./$", text, re.MULTILINE) for name in line.split()}
    assert copied == {path.name for pattern in ("*.js", "*.json") for path in folder.glob(pattern)}
    container = CONTAINERS["coaching"]
    assert f"USER {container.body['user']}" in text
    install = json.loads(re.findall(r"^RUN (.*--directory.*)$", text, re.MULTILINE)[0])
    assert {"--owner=10001", *(str(mount.target) for mount in container.mounts)} <= set(install)


def test_a_new_volume_belongs_to_those_who_write_it() -> None:
    owners: dict[str, int] = {}
    for command in commands():
        if command[0] == "install":
            owner = int(command[2].removeprefix("--owner="))
            owners |= dict.fromkeys((word for word in command if word.startswith("/")), owner)
    for container in CONTAINERS.values():
        for mount in container.mounts:
            if container.own and not mount.bind:
                assert str(mount.target) in owners
                assert mount.read_only or owners[str(mount.target)] == container.uid


def test_the_tag_is_the_version_of_the_project() -> None:
    assert {each.image for each in CONTAINERS.values() if each.own} == {
        f"specter-demo:{PROJECT['project']['version']}"
    }
