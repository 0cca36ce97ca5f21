"""Node.js and the packages of the coaching service: found, or installed once by npm.

The demo does without that service where there is no Node.js: nothing here may keep it from starting.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from specter_core.errors import SpecterError
from specter_demo.settings import CHECKOUT

SOURCE = CHECKOUT / "demo" / "coaching"
"""The service itself, with package.json and its lock."""
CACHE = CHECKOUT / ".npm-packages"
OLDEST = (18, 19)  # as in package.json
PACKAGE_FILES = ("package.json", "package-lock.json")
# npm's own cache is asked before the registry, and a registry that cannot be reached is not tried again.
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0")
INSTALL_SECONDS = 60.0
QUOTED = 200


class NodeError(SpecterError):
    """The coaching service cannot run on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """What runs the service.

    Attributes:
        program: Node.js.
        packages: folder for NODE_PATH.
    """

    program: Path
    packages: Path


def find_runtime(say: Callable[[str], None]) -> NodeRuntime | None:
    """Return what runs the coaching service, None where there is nothing; that is said then, in one line."""
    try:
        return NodeRuntime(find_node(), installed_packages(say))
    except NodeError as error:
        say(f"Coaching: {error}; the demo goes on without its Node service")
        return None


def find_node(path: str | None = None) -> Path:
    """Return Node.js on `path`, the environment's PATH if None.

    Raises:
        NodeError: there is none, or it is too old.
    """
    oldest = ".".join(map(str, OLDEST))
    found = shutil.which("node", path=path)
    if found is None:
        raise NodeError(f"node is not on PATH; install Node.js {oldest} or later with npm")
    try:
        shown = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NodeError(f"{found} does not run: {error}") from error
    match = re.match(r"v(\d+)\.(\d+)", shown.stdout)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < OLDEST:
        named = shown.stdout.strip() or "of no known version"
        raise NodeError(f"{found} is {named}; {oldest} or later is needed")
    return Path(found)


def installed_packages(
    say: Callable[[str], None],
    cache: Path = CACHE,
    *,
    path: str | None = None,
    seconds: float = INSTALL_SECONDS,
) -> Path:
    """Return the folder with the packages that the service's lock names; npm installs them at the first time.

    Args:
        say: told when npm begins.
        cache: folder with one folder for each lock.
        path: where npm is looked for, the environment's PATH if None.
        seconds: how long npm may take.

    Raises:
        NodeError: there is no npm, or it cannot install them.
    """
    content = b"".join((SOURCE / name).read_bytes() for name in PACKAGE_FILES)
    folder = cache / hashlib.sha256(content).hexdigest()[:16]
    packages = folder / "node_modules"
    if packages.is_dir():
        return packages
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise NodeError("npm is not on PATH, and installs its packages once; install npm")
    say("installing the packages of the coaching service with npm, once; up to a minute")
    command = [npm, *INSTALL]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # In a folder of its own, renamed when complete: another run may install at the same moment.
        with TemporaryDirectory(prefix=".installing-", dir=cache) as scratch:
            complete = Path(scratch) / "complete"
            complete.mkdir()
            _install(command, complete, seconds)
            if not packages.is_dir():
                complete.rename(folder)
    except OSError as error:
        raise NodeError(f"its packages cannot be kept in {cache}: {error}") from error
    return packages


def _install(command: list[str], folder: Path, seconds: float) -> None:
    for name in PACKAGE_FILES:
        shutil.copy(SOURCE / name, folder)
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise NodeError(f"npm has not installed its packages within {seconds:.0f} s") from error
    if done.returncode:
        raise NodeError(f"npm cannot install its packages: {_reason(done.stderr)}")


def _reason(stderr: str) -> str:
    """Return the most telling line of what npm says when it fails: one of many."""
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("code ", "syscall ", "errno "))]
    return (telling or ["it says nothing"])[0][:QUOTED]
