"""Secrets of a job and of its pings are where they were, and nowhere else."""

from pathlib import Path

import pytest

from specter_exporters.run.masking import Secrets
from specter_exporters.run.pings import parse
from tests.exporters.run.wrapping import Wrapper
from tests.servers.ping_receiver import KEY, PingReceiver

PRINTED = "hunter2-printed"
NAMED = "correct-horse-named"
TYPED = "typed-battery"


def test_no_secret_is_told_kept_or_logged(wrapper: Wrapper, receiver: PingReceiver, tmp_path: Path) -> None:
    wrapper.pinging(receiver).environment |= {"SHOP_DB_PASSWORD": NAMED}
    receiver.statuses = {"start": 503}
    script = (
        f'echo "password={PRINTED}"; echo "opening $SHOP_DB_PASSWORD and {KEY}"; tr "\\0" " " <$1; exit 1'
    )
    run = wrapper.run("sh", "-c", script, "sh", f"/proc/{'$PPID'}/cmdline", "--token", TYPED)
    assert run.returncode == 1
    (letter,) = (wrapper.state / "dead-letters").iterdir()
    spooled = "".join(path.read_text() for path in wrapper.waiting())
    assert spooled.count('"job": "backup"') == 2
    for text in (letter.read_text(), spooled, run.stderr.decode().partition("WARNING")[2]):
        assert not [secret for secret in (PRINTED, NAMED, KEY, TYPED) if secret in text]
    assert parse(wrapper.waiting()[1].read_bytes()).body.count("password=…") == 1


def test_a_command_with_a_secret_is_replayed_when_it_is_given_again(wrapper: Wrapper) -> None:
    wrapper.run("false", "--password", TYPED, f"postgres://shop:{TYPED}@db/shop")
    name = wrapper.letters("list").stdout.decode().split("\t")[0]
    assert wrapper.letters("list").stdout.decode().endswith("false --password '…' 'postgres://…@db/shop'\n")
    refused = wrapper.letters("replay", name)
    assert refused.returncode == 2
    assert b"give the command behind --" in refused.stderr
    assert wrapper.letters("replay", name, "--", "true").returncode == 0
    assert wrapper.letters("list").stdout == b""


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["mysqldump", "-u", "root", f"-p{TYPED}", "shop"], ["mysqldump", "-u", "root", "-p…", "shop"]),
        (["/usr/bin/curl", "-u", f"me:{TYPED}", "a"], ["/usr/bin/curl", "-u", "me:…", "a"]),
        (["sshpass", "-p", TYPED, "ssh", "db"], ["sshpass", "-p", "…", "ssh", "db"]),
        (["sh", "-c", f"mariadb-dump -p{TYPED} a; b"], ["sh", "-c", "mariadb-dump -p… a; b"]),
        (["docker", "run", "-p", "80:80", "-u", "1:2"], ["docker", "run", "-p", "80:80", "-u", "1:2"]),
        (["mysql", "-p", "shop"], ["mysql", "-p", "shop"]),
    ],
)
def test_passwords_behind_options_of_one_letter_are_masked(command: list[str], shown: list[str]) -> None:
    assert Secrets({}).masked_command(command) == shown


def test_the_key_is_in_no_process_title(wrapper: Wrapper, receiver: PingReceiver) -> None:
    done = wrapper.pinging(receiver).run("sh", "-c", "cat /proc/$$/cmdline /proc/$PPID/cmdline")
    assert done.returncode == 0
    assert b"--job" in done.stdout
    assert KEY.encode() not in done.stdout
