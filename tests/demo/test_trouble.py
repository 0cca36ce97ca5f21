"""What faults write and the demo's parts read: the provider's trouble, the attack; and the logs' files."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import flask
import pytest

from specter_core.clock import SystemClock
from specter_core.web import WebOptions, WebServer
from specter_demo.faults import find_fault
from specter_demo.faults.control import Control
from specter_demo.jobs.trouble import ALL_WELL, JobTrouble
from specter_demo.payments import UNANSWERED_SECONDS, create_payments
from specter_demo.provider import FINE, Trouble, read_trouble, write_trouble
from specter_demo.settings import Settings
from specter_demo.shop.log_file import LogFile
from specter_demo.shop.payment import TIMEOUT
from specter_demo.shop.sign_ins import MAX_WAITING, SignInReporter
from specter_demo.tasks.trouble import WORKING, QueueTrouble
from specter_demo.traffic.dials import ATTACKS
from specter_exporters.dependencies.calling import Caller
from specter_exporters.dependencies.model import StatusPage
from specter_exporters.dependencies.results import StatusResult
from specter_exporters.dependencies.status_pages import run_status_page
from tests.demo.shop_server import free_port

WITHIN = 30.0


def until(ask: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not ask():
        assert time.monotonic() < deadline, f"{what} did not happen within {WITHIN} s"
        time.sleep(0.05)


def test_trouble_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "provider.json"
    assert read_trouble(file) == FINE
    write_trouble(file, Trouble(declined=0.35, unanswered=0.1))
    assert read_trouble(file) == Trouble(declined=0.35, unanswered=0.1, away=False)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"declined": 2}', '{"rate": 1}', "\x00"])
def test_what_is_no_trouble_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "provider.json"
    file.write_text(text, encoding="utf-8")
    assert read_trouble(file) == FINE


def test_a_troubled_provider_declines_and_lets_wait_in_the_given_shares() -> None:
    slept: list[float] = []
    trouble = Trouble(declined=0.35, unanswered=0.1)
    client = create_payments(random.Random(3), slept.append, trouble=lambda: trouble).test_client()
    answers = [client.post("/charges", json={"order_id": 1, "amount_cents": 100}) for _ in range(2000)]
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[402] / 2000 == pytest.approx(0.35, abs=0.04)
    assert statuses[503] / 2000 == pytest.approx(0.10, abs=0.03)
    assert slept.count(UNANSWERED_SECONDS) == statuses[503]
    assert UNANSWERED_SECONDS > TIMEOUT
    reasons = {answer.json["error"] for answer in answers if answer.status_code == 402 and answer.json}
    assert reasons == {"card_declined", "insufficient_funds", "expired_card"}


@pytest.mark.integration
def test_a_provider_that_is_away_refuses_connections_and_its_status_page_says_so(
    tmp_path: Path,
) -> None:
    port, status_port = free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SHOP_")},
        "SHOP_STATE_DIR": str(tmp_path),
        "SHOP_PAYMENT_LISTEN": f"127.0.0.1:{port}",
        "SHOP_PAYMENT_STATUS_LISTEN": f"127.0.0.1:{status_port}",
    }
    # As the dependency exporter reads it.
    page = StatusPage(f"http://127.0.0.1:{status_port}", frozenset({"Charges"}), 15.0, 5.0)

    def said() -> StatusResult:
        with Caller(None) as caller:
            return run_status_page(page, caller)

    def there() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    command = [sys.executable, "-m", "specter_core", "demo", "serve", "payments"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            until(there, "the provider listens")
            assert said() == StatusResult("none", {"operational": 1}, 0)
            write_trouble(tmp_path / "provider.json", Trouble(away=True))
            until(lambda: not there(), "the provider goes away")
            assert said() == StatusResult("major", {"major_outage": 1}, 1)
            write_trouble(tmp_path / "provider.json", FINE)
            until(there, "the provider comes back")
            assert said() == StatusResult("none", {"operational": 1}, 0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("text", ["", "{}", '{"rate": -1}', '{"rate": 1e9}', '{"rate": "many"}', "nan"])
def test_nobody_attacks_where_no_rate_is_written(tmp_path: Path, text: str) -> None:
    file = tmp_path / "attack.json"
    assert ATTACKS.read(file) == 0.0
    file.write_text(text, encoding="utf-8")
    assert ATTACKS.read(file) == 0.0


def test_an_attack_s_rate_is_read_as_it_was_written(tmp_path: Path) -> None:
    ATTACKS.write(tmp_path / "attack.json", 10.0)
    assert ATTACKS.read(tmp_path / "attack.json") == 10.0
    with pytest.raises(ValueError, match="expected 0 to"):
        ATTACKS.write(tmp_path / "attack.json", -1.0)


@pytest.mark.parametrize(
    ("name", "queue", "jobs"),
    [
        ("queue-backlog", QueueTrouble(seconds=20.0), ALL_WELL),
        ("worker-killed", QueueTrouble(away=True), ALL_WELL),
        ("job-failure", WORKING, JobTrouble(broken=("digest",))),
        ("job-missed", WORKING, JobTrouble(forgotten=("backup",))),
    ],
)
def test_a_fault_of_queues_or_jobs_is_alone_in_its_file_and_gone_when_it_is_cleared(
    tmp_path: Path, name: str, queue: QueueTrouble, jobs: JobTrouble
) -> None:
    control, fault = Control(Settings(state_dir=tmp_path), SystemClock()), find_fault(name)
    assert not fault.active(control)
    for _ in range(2):
        fault.inject(control)
        assert fault.active(control)
        assert (control.queue, control.jobs) == (queue, jobs)
    for _ in range(2):
        fault.clear(control)
        assert not fault.active(control)
        assert (control.queue, control.jobs) == (WORKING, ALL_WELL)


def test_faults_of_queues_and_jobs_leave_each_other_alone(tmp_path: Path) -> None:
    control = Control(Settings(state_dir=tmp_path), SystemClock())
    names = ("queue-backlog", "worker-killed", "job-failure", "job-missed")
    for name in names:
        find_fault(name).inject(control)
    for index, name in enumerate(names):
        find_fault(name).clear(control)
        assert [find_fault(each).active(control) for each in names] == [False] * (index + 1) + [True] * (
            3 - index
        )


def test_a_log_is_rotated_by_renaming_and_loses_no_line_of_two_workers(tmp_path: Path) -> None:
    path = tmp_path / "log" / "shop.log"
    # As two workers have it during a release. Large enough to be rotated once.
    workers = [LogFile(path, largest=60_000) for _ in range(2)]

    def write(number: int) -> None:
        for line in range(500):
            workers[number].write(f"{number} {line} {'x' * 90}\n")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN)
    rotated = path.with_name("shop.log.1").read_text(encoding="utf-8").splitlines()
    lines = [*rotated, *path.read_text(encoding="utf-8").splitlines()]
    found = {tuple(line.split()[:2]) for line in lines}
    assert found == {(str(number), str(line)) for number in range(2) for line in range(500)}
    assert len(lines) == 1000


@pytest.fixture
def request_of_a_visitor() -> flask.Request:
    headers = {"X-Forwarded-For": "198.18.0.7", "User-Agent": "U" * 5000}
    with flask.Flask("any").test_request_context("/login", headers=headers) as context:
        return context.request


def test_sign_ins_reach_the_exporter_in_batches_with_their_token(request_of_a_visitor: flask.Request) -> None:
    taken: list[tuple[str, list[dict[str, str]]]] = []
    app = flask.Flask("exporter")

    @app.post("/api/v1/signins")
    def take() -> tuple[str, int]:
        taken.append((flask.request.headers["Authorization"], json.loads(flask.request.data)))
        return "", 202

    server = WebServer(app, WebOptions("127.0.0.1", 0))
    server.start()
    reporter = SignInReporter(server.url, "a-token", interval=3600.0)
    try:
        reporter.attempt(request_of_a_visitor, "someone@shop.example", "failed")
        for _ in range(1200):
            reporter.request(request_of_a_visitor)
        reporter.close()
    finally:
        server.stop()
    assert [len(events) for _, events in taken] == [1000, 201]
    assert {token for token, _ in taken} == {"Bearer a-token"}
    first = taken[0][1][0]
    assert (first["event"], first["outcome"]) == ("attempt", "failed")
    assert first["forwarded_for"] == "198.18.0.7"
    assert len(first["user_agent"]) == 2048
    assert reporter.lost == 0


def test_sign_ins_are_dropped_and_counted_while_the_exporter_is_away(
    request_of_a_visitor: flask.Request,
) -> None:
    reporter = SignInReporter(f"http://127.0.0.1:{free_port()}", "a-token", interval=3600.0)
    for _ in range(MAX_WAITING + 7):
        reporter.request(request_of_a_visitor)
    assert reporter.lost == 7
    reporter.close()
    assert reporter.lost == MAX_WAITING + 7
