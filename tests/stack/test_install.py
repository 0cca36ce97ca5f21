"""Installing what is missing, with stand-ins for apt-get, sudo and systemctl that note their calls."""

from pathlib import Path

import pytest

from specter_stack import install
from specter_stack.errors import StackError
from specter_stack.install import POLICY_TEXT, ensure_programs
from specter_stack.programs import MissingProgramsError, Program

REDIS = Program("redis-server", "redis-server")
NODE = Program("node_exporter", "prometheus-node-exporter")

APT = """#!/bin/sh
echo "apt-get $* frontend=$DEBIAN_FRONTEND policy=$(test -x "$POLICY" && echo there)" >> "$CALLS"
[ "$1" = "$FAIL" ] && echo "E: the mirror is away" >&2 && exit 100
[ "$1" = install ] && touch "$INSTALLED"
exit 0
"""
SUDO = """#!/bin/sh
echo "sudo $*" >> "$CALLS"
exec env "$@"
"""
SYSTEMCTL = """#!/bin/sh
echo "systemctl $1" >> "$CALLS"
if [ "$1" = list-unit-files ]; then
  echo "ssh.service enabled enabled"
  [ -e "$INSTALLED" ] && echo "redis-server.service enabled enabled"
else
  echo "$*" >> "$CALLS"
fi
exit 0
"""


class Machine:
    """A pretended Debian: what is missing until apt-get has run, and what was called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.policy = folder / "policy-rc.d"
        self.installed = folder / "installed"
        self.missing = [REDIS, NODE]
        self.said: list[str] = []
        for name, text in (("apt-get", APT), ("sudo", SUDO), ("systemctl", SYSTEMCTL)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        for name, value in (
            ("PATH", f"{self.bin}:/usr/bin:/bin"),
            ("CALLS", str(folder / "calls")),
            ("POLICY", str(self.policy)),
            ("INSTALLED", str(self.installed)),
            ("FAIL", "nothing"),
            ("DEBIAN_FRONTEND", "dialog"),
        ):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(install, "POLICY", self.policy)
        monkeypatch.setattr(install, "SYSTEMD", folder / "no-systemd")
        monkeypatch.setattr(
            install, "missing_programs", lambda _programs: [] if self.installed.exists() else self.missing
        )
        self.become(0)

    def become(self, uid: int) -> None:
        self.monkeypatch.setattr("os.geteuid", lambda: uid)

    def with_systemd(self) -> None:
        self.monkeypatch.setattr(install, "SYSTEMD", self.folder)

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


PACKAGES = "prometheus-node-exporter redis-server"
APT_CALLS = [
    "apt-get update -q frontend=noninteractive policy=there",
    f"apt-get install {' '.join(install.APT_OPTIONS)} {PACKAGES} frontend=noninteractive policy=there",
]


def test_nothing_missing_runs_nothing(machine: Machine) -> None:
    machine.missing = []
    assert ensure_programs(machine.said.append) is False
    assert machine.calls == []
    assert machine.said == []


def test_root_installs_after_saying_so_and_starts_no_service(machine: Machine) -> None:
    assert ensure_programs(machine.said.append) is True
    assert machine.said == [
        (
            "installing Debian packages, up to a minute: prometheus-node-exporter redis-server "
            "(their services are not started)"
        )
    ]
    assert machine.calls == APT_CALLS
    assert not machine.policy.exists()


def test_units_that_the_installation_enabled_are_disabled_and_no_other(machine: Machine) -> None:
    machine.with_systemd()
    ensure_programs(machine.said.append)
    assert machine.calls[-1] == "disable --now redis-server.service"
    assert not any("ssh" in call for call in machine.calls)


def test_the_administrators_policy_stays(machine: Machine) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 0\n")
    ensure_programs(machine.said.append)
    assert machine.policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_our_policy_refuses_every_service() -> None:
    assert POLICY_TEXT.startswith("#!/bin/sh\n")
    assert POLICY_TEXT.endswith("\nexit 101\n")


def test_a_failed_installation_quotes_apt_and_leaves_no_policy(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "install")
    with pytest.raises(
        StackError, match=r"`apt-get install .*` failed with exit code 100:\nE: the mirror is away"
    ):
        ensure_programs(machine.said.append)
    assert not machine.policy.exists()


def test_a_failed_update_is_said_and_the_installation_tried(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "update")
    assert ensure_programs(machine.said.append)
    assert "`apt-get update -q` failed with exit code 100" in machine.said[-1]
    assert machine.said[-1].endswith("going on with the package lists there are")
    assert [call for call in machine.calls if call.startswith("apt-get")] == APT_CALLS


def test_units_of_a_half_failed_installation_are_disabled_too(machine: Machine) -> None:
    machine.with_systemd()
    (machine.bin / "apt-get").write_text(APT.replace("exit 0", '[ "$1" = install ] && exit 100\nexit 0'))
    with pytest.raises(StackError, match="exit code 100"):
        ensure_programs(machine.said.append)
    assert machine.calls[-1] == "disable --now redis-server.service"


def test_an_installation_that_does_not_bring_the_program_is_named(machine: Machine) -> None:
    machine.monkeypatch.setattr(install, "missing_programs", lambda _programs: [REDIS])
    with pytest.raises(MissingProgramsError, match="redis-server"):
        ensure_programs(machine.said.append)
    assert not machine.policy.exists()


def test_a_user_is_asked_and_sudo_does_the_rest(machine: Machine) -> None:
    machine.become(1000)
    questions: list[str] = []

    def yes(question: str) -> bool:
        questions.append(question)
        return True

    assert ensure_programs(machine.said.append, yes) is True
    assert questions == ["Install prometheus-node-exporter redis-server with sudo apt-get?"]
    assert [call for call in machine.calls if call.startswith("apt-get")] == APT_CALLS
    assert [call.split()[1:3] for call in machine.calls if call.startswith("sudo")] == [
        ["tee", str(machine.policy)],
        ["chmod", "755"],
        ["DEBIAN_FRONTEND=noninteractive", "apt-get"],
        ["DEBIAN_FRONTEND=noninteractive", "apt-get"],
        ["rm", "-f"],
    ]
    assert not machine.policy.exists()


@pytest.mark.parametrize("ask", [None, lambda _question: False], ids=["nobody there", "declined"])
def test_a_user_who_does_not_agree_gets_the_command_and_nothing_runs(machine: Machine, ask: None) -> None:
    machine.become(1000)
    with pytest.raises(MissingProgramsError) as caught:
        ensure_programs(machine.said.append, ask)
    assert "apt-get install --no-install-recommends prometheus-node-exporter redis-server" in str(
        caught.value
    )
    assert machine.calls == []
    assert machine.said == []


def test_without_sudo_nobody_is_asked(machine: Machine) -> None:
    machine.become(1000)
    (machine.bin / "sudo").unlink()
    machine.monkeypatch.setenv("PATH", str(machine.bin))
    with pytest.raises(MissingProgramsError):
        ensure_programs(machine.said.append, lambda _question: pytest.fail("asked"))
    assert machine.calls == []


def test_without_apt_root_gets_the_list(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    machine.monkeypatch.setenv("PATH", str(machine.bin))
    with pytest.raises(MissingProgramsError, match=r"elsewhere: +put the programs on PATH"):
        ensure_programs(machine.said.append)
    assert machine.calls == []
