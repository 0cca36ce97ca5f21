"""Install the missing servers from Debian's packages, without leaving their services running."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from specter_stack.errors import StackError
from specter_stack.programs import PROGRAMS, MissingProgramsError, Program, missing_programs
from specter_stack.signals import held_signals

POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# Written by specter while it installs packages: start no service.\nexit 101\n"
SYSTEMD = Path("/run/systemd/system")
SHOWN_LINES = 15
APT_OPTIONS = ("-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120")


def ensure_programs(
    say: Callable[[str], None],
    ask: Callable[[str], bool] | None = None,
    programs: Iterable[Program] = PROGRAMS,
) -> bool:
    """Make sure that all `programs` are installed; return whether anything was installed.

    As root on Debian or Ubuntu the missing packages are installed, after saying
    so. Otherwise sudo is used when `ask` (None: nobody is there to answer)
    agrees.

    Raises:
        MissingProgramsError: something is missing and must not or cannot be installed.
        StackError: apt-get failed.
    """
    missing = missing_programs(programs)
    if not missing:
        return False
    packages = sorted({program.package for program in missing})
    prefix = _privilege(missing, packages, ask)
    names = " ".join(packages)
    say(f"installing Debian packages, up to a minute: {names} (their services are not started)")
    with _no_services(prefix):
        try:
            _apt([*prefix, "apt-get", "update", "-q"])
        except StackError as error:
            # One broken repository among many need not matter for these packages.
            say(f"{error}\ngoing on with the package lists there are")
        known = _units()
        try:
            _apt([*prefix, "apt-get", "install", *APT_OPTIONS, *packages])
        finally:
            _disable_units(prefix, _units() - known)
    still = missing_programs(programs)
    if still:
        raise MissingProgramsError(still)
    return True


def _privilege(missing: list[Program], packages: list[str], ask: Callable[[str], bool] | None) -> list[str]:
    """Return the words to put before a command that needs root."""
    if shutil.which("apt-get") is None:
        raise MissingProgramsError(missing)
    if os.geteuid() == 0:
        return []
    question = f"Install {' '.join(packages)} with sudo apt-get?"
    if shutil.which("sudo") is None or ask is None or not ask(question):
        raise MissingProgramsError(missing)
    return ["sudo"]


@contextmanager
def _no_services(prefix: list[str]) -> Iterator[None]:
    """Tell Debian's maintainer scripts to start no service (invoke-rc.d's policy layer).

    A policy that is already there is the administrator's and stays, unless it is ours,
    left by an installation that was killed.
    """
    if POLICY.exists() and POLICY.read_text(encoding="utf-8", errors="replace") != POLICY_TEXT:
        yield
        return
    try:
        _run([*prefix, "tee", str(POLICY)], stdin=POLICY_TEXT)
        _run([*prefix, "chmod", "755", str(POLICY)])
        yield
    finally:
        _run([*prefix, "rm", "-f", str(POLICY)])


def _units() -> set[str]:
    """Return the enabled systemd services, none where systemd does not run."""
    if not SYSTEMD.is_dir():
        return set()
    command = ["systemctl", "list-unit-files", "--type=service", "--state=enabled", "--no-legend", "--plain"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}


def _disable_units(prefix: list[str], units: set[str]) -> None:
    """Keep what the installation enabled from starting at the next boot."""
    if units:
        _run([*prefix, "systemctl", "disable", "--now", *sorted(units)])


def _apt(command: list[str]) -> None:
    """Run apt-get; its output, hundreds of lines, is shown only when it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if command[0] == "sudo":
        command = ["sudo", "DEBIAN_FRONTEND=noninteractive", *command[1:]]
    # Ctrl-C reaches apt-get too, which knows when it may stop; to kill it would leave half a package.
    with held_signals():
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-SHOWN_LINES:])
        raise StackError(f"`{' '.join(command)}` failed with exit code {done.returncode}:\n{tail}")


def _run(command: list[str], stdin: str | None = None) -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise StackError(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.returncode}")
