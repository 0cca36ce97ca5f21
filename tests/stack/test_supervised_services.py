"""What the process manager makes of a service: arguments, environment, failures."""

import configparser
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from specter_stack.errors import StackError
from specter_stack.launcher import Stack, Stopped, running_stack, stop_on_signals
from specter_stack.layout import Layout
from specter_stack.ready import answers, wait_until_ready
from specter_stack.service import Service
from specter_stack.signals import held_signals
from specter_stack.supervisor import render_config

SHOW = (
    "import json, os, pathlib, sys, threading;"
    "pathlib.Path(sys.argv[1]).write_text(json.dumps([sys.argv[2:], dict(os.environ), os.getpid()]));"
    "threading.Event().wait()"
)
AWKWARD = (
    "plain",
    "",
    "100% %d %(here)s %(ENV_HOME)s",
    "say \"yes\", 'no'",
    "a #b ;c\t#d",
    "#first",
    ";first",
    "back\\slash $HOME `id` $(id)",
    "ünï\u2003#x",
    " blank at both ends ",
    "'",
    '"',
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state")


def test_arguments_and_environment_arrive_as_they_are(layout: Layout, tmp_path: Path) -> None:
    out = tmp_path / "out put.json"
    environment = {f"VALUE_{number}": value for number, value in enumerate(AWKWARD)}
    service = Service(
        "show",
        (sys.executable, "-c", SHOW, str(out), *AWKWARD),
        ready=f"exec:test -s '{out}'",
        environment=environment,
    )
    with running_stack(layout, lambda: (service,), print) as stack:
        stack.start("show")
        pid = stack.pid("show")
        arguments, seen, own = json.loads(out.read_text())
        assert int((layout.pids / "show.pid").read_text()) == own == pid
    assert arguments == list(AWKWARD)
    assert {name: seen[name] for name in environment} == environment


def test_the_configuration_is_the_owners_alone(layout: Layout) -> None:
    with running_stack(layout, tuple, print):
        assert layout.supervisor_config.stat().st_mode & 0o777 == 0o600
        assert layout.supervisor_socket.stat().st_mode & 0o077 == 0


def test_no_program_starts_by_itself_and_each_is_restarted(layout: Layout) -> None:
    config = configparser.RawConfigParser()
    services = (
        Service("one", ("one", "--flag"), "tcp://x:1", stop_signal="INT"),
        Service("two", ("two",), "tcp://x:2", user="postgres", own_pid_file="/data/postmaster.pid"),
    )
    config.read_string(render_config(layout, services))
    one, two = dict(config["program:one"]), dict(config["program:two"])
    assert (one["autostart"], one["autorestart"], one["stopsignal"]) == ("false", "true", "INT")
    assert one["command"].endswith(f"{layout.pids}/one.pid one --flag")
    assert "user" not in one
    assert (two["command"], two["user"], two["directory"]) == ("two", "postgres", "/")


def test_a_line_break_in_a_command_is_refused(layout: Layout) -> None:
    with pytest.raises(StackError, match="one: supervisord takes no line break in a command or variable"):
        render_config(layout, [Service("one", ("one", "a\nb"), "tcp://x:1")])


def test_a_service_that_cannot_start_is_an_error_that_quotes_its_log(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("specter_stack.ready.BACKOFF_SECONDS", 0.5)
    service = Service(
        "broken", ("/bin/sh", "-c", "echo port: expected a number; exit 3"), "tcp://127.0.0.1:1"
    )
    with running_stack(layout, lambda: (service,), print) as stack:
        with pytest.raises(StackError) as caught:
            stack.start("broken")
        assert str(caught.value).startswith("broken does not start; its log ends:\nport: expected a number")


def test_a_missing_command_is_an_error_too(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specter_stack.ready.BACKOFF_SECONDS", 0.5)
    service = Service("gone", ("/nonexistent/server",), "tcp://127.0.0.1:1")
    with (
        running_stack(layout, lambda: (service,), print) as stack,
        pytest.raises(StackError, match=r"gone does not start; its log ends:\n.*/nonexistent/server"),
    ):
        stack.start("gone")


class Steps:
    """A clock that goes on by itself, a second a look."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("state", "message", "until"),
    [
        ("FATAL", "slow does not start; its log ends:\nlast words", 5),
        ("BACKOFF", "slow does not start; its log ends:\nlast words", 20),
        ("RUNNING", "slow did not answer on tcp://127.0.0.1:1 within 60 s; its log ends:\nlast words", 70),
    ],
)
def test_waiting_ends_sooner_the_surer_the_failure(state: str, message: str, until: float) -> None:
    clock = Steps()
    service = Service("slow", (), "tcp://127.0.0.1:1")
    with pytest.raises(StackError) as caught:
        wait_until_ready([service], lambda: {"slow": state}, lambda _name: "last words", clock)
    assert str(caught.value) == message
    assert clock.now < until


def test_supervisord_that_cannot_start_is_quoted_and_nothing_is_left(layout: Layout) -> None:
    service = Service("one", ("true",), "tcp://127.0.0.1:1", user="no-such-account")
    said = r"(?s)supervisord did not start; .*supervisord.out says:.*no-such-account"
    with pytest.raises(StackError, match=said), running_stack(layout, lambda: (service,), print):
        pytest.fail("was opened")
    assert not layout.summary.exists()
    assert not layout.supervisor_socket.exists()


def test_closing_what_was_never_opened_does_nothing(layout: Layout) -> None:
    layout.create()
    Stack(layout, ()).close()
    assert not layout.summary.exists()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        pass


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_http_answers_below_400(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy that the environment names is nobody's way to loopback.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    expected = {200: True, 302: True, 401: False, 404: False, 503: False}
    assert {code: answers(f"http://{web}/{code}") for code in expected} == expected


def test_tcp_answers_when_somebody_listens(web: str) -> None:
    assert answers(f"tcp://{web}")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not answers(f"tcp://127.0.0.1:{unused.getsockname()[1]}")


def test_exec_answers_with_exit_code_0_in_time() -> None:
    assert answers("exec:test -d /")
    assert not answers("exec:test -f /")
    assert not answers("exec:/nonexistent/program")
    assert not answers("exec:tail -f /dev/null", timeout=0.05)


def test_a_signal_waits_for_the_end_of_the_block_and_the_second_is_ignored() -> None:
    reached: list[str] = []

    def step() -> None:
        with held_signals():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            reached.append("end of the block")
        reached.append("after the block")

    with pytest.raises(Stopped), stop_on_signals():
        step()
    assert reached == ["end of the block"]


def test_after_the_first_signal_the_cleanup_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    cleaned: list[str] = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(number)
            cleaned.append("all")

    with pytest.raises(Stopped), stop_on_signals():
        work()
    assert cleaned == ["all"]
    assert signal.getsignal(signal.SIGINT) is before


def test_nohup_stays_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_not_touched_outside_the_main_thread() -> None:
    seen: list[Callable[..., object] | int | None] = []

    def run() -> None:
        with held_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_services_are_stopped_in_reverse_order(tmp_path: Path) -> None:
    services = [Service(name, (name,), "tcp://x:1") for name in ("database", "web", "monitor")]
    config = configparser.RawConfigParser()
    config.read_string(render_config(Layout(tmp_path), services))
    assert [config[f"program:{one.name}"]["priority"] for one in services] == ["0", "1", "2"]
