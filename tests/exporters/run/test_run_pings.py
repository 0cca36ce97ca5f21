"""What the receiver is told, when it is there and when it is not."""

import os
import re
import socket
import time
from pathlib import Path

import pytest

from specter_exporters.run.pings import Check, Ping, parse
from specter_exporters.run.receiver import Receiver
from specter_exporters.run.sender import Sender
from specter_exporters.run.spool import Spool
from tests.exporters.run.wrapping import Wrapper, eventually
from tests.servers.ping_receiver import KEY, PingReceiver, running_receiver
from tests.servers.prometheus import free_port


def test_a_run_is_told_from_start_to_end_over_one_connection(
    wrapper: Wrapper, receiver: PingReceiver
) -> None:
    before = time.time()
    assert wrapper.pinging(receiver).run("true").returncode == 0
    assert receiver.told == [("backup", "start"), ("backup", "0")]
    start, end = receiver.pings
    assert start.key == end.key == KEY
    assert start.run_id == end.run_id
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", start.run_id)
    assert before - 0.001 <= start.at <= end.at <= time.time()
    assert start.query["create"] == ["1"]
    assert end.body.startswith("exit code 0 after ")
    assert receiver.connections == 1
    assert wrapper.waiting() == []


def test_a_failure_is_told_with_the_end_of_the_output(wrapper: Wrapper, receiver: PingReceiver) -> None:
    script = "seq 1 10000; echo the disk is full >&2; exit 9"
    done = wrapper.pinging(receiver).run("sh", "-c", script)
    assert done.returncode == 9
    said, _, tail = receiver.pings[1].body.partition("\n\n")
    assert receiver.pings[1].action == "9"
    assert said.startswith("exit code 9 after ")
    assert "the disk is full\n" in tail  # whenever it came
    assert tail.replace("the disk is full\n", "").endswith("9999\n10000\n")
    assert 9000 < len(tail) <= 10_000
    assert re.match(r"(the disk is full\n)?\d{4}\n", tail)  # from the beginning of a line


def test_the_receiver_learns_of_the_schedule(wrapper: Wrapper, receiver: PingReceiver) -> None:
    wrapper.pinging(receiver).options = [
        *("--schedule", "30 3 * * *", "--timezone", "Europe/Berlin", "--grace", "1h30m", "--kind", "backup"),
        "--no-create",
    ]
    wrapper.run("true")
    told = {name: value for name, value in receiver.pings[0].headers.items() if name.startswith("x-specter")}
    told.pop("x-specter-at")
    assert told == {
        "x-specter-schedule": "30 3 * * *",
        "x-specter-timezone": "Europe/Berlin",
        "x-specter-grace": "5400",
        "x-specter-kind": "backup",
    }
    assert "create" not in receiver.pings[0].query


def test_what_a_receiver_missed_is_delivered_later_in_order_with_its_own_times(wrapper: Wrapper) -> None:
    port = free_port()
    wrapper.pinging(PingReceiver(port))
    assert wrapper.run("true").returncode == 0
    missed = wrapper.run("sh", "-c", "exit 3")
    assert missed.returncode == 3
    assert missed.stderr.count(b"pings wait in ") == 1
    assert missed.stderr.endswith(b": Connection refused\n")
    waiting = [parse(path.read_bytes()) for path in wrapper.waiting()]
    later = time.time()
    with running_receiver(port) as receiver:
        # Also by the run of another job.
        other = Wrapper(wrapper.state, job="other", environment=wrapper.environment)
        assert other.run("true").returncode == 0
        assert receiver.told == [
            *(("backup", action) for action in ("start", "0", "start", "3")),
            *(("other", action) for action in ("start", "0")),
        ]
    assert [ping.at for ping in receiver.pings[:4]] == [pytest.approx(ping.at, abs=0.001) for ping in waiting]
    assert all(ping.at < later for ping in receiver.pings[:4])
    assert wrapper.waiting() == []


@pytest.mark.parametrize("other_url", [True, False])
def test_what_waits_with_one_key_is_never_sent_with_another(
    wrapper: Wrapper, receiver: PingReceiver, tmp_path: Path, other_url: bool
) -> None:
    key_file = tmp_path / "ping.key"
    key_file.write_text("another-key-0123456789")
    receiver.statuses = {"start": 503, "0": 503}
    wrapper.pinging(receiver).run("true")
    receiver.statuses = {}
    with running_receiver() as another:
        url = another.url if other_url else receiver.url
        options = ["--ping-url", url, "--ping-key-file", str(key_file)]
        other = Wrapper(wrapper.state, job="other", options=options)
        other.run("true")
        told = another.told if other_url else receiver.told
        assert told == [("other", "start"), ("other", "0")]
    assert {parse(path.read_bytes()).job for path in wrapper.waiting()} == {"backup"}
    wrapper.run("true")
    assert [job for job, _ in receiver.told].count("backup") == 4


def test_a_receiver_that_says_nothing_delays_no_job_and_its_end_by_the_time_out_only(
    wrapper: Wrapper, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        wrapper.pinging(PingReceiver(deaf.getsockname()[1])).options = ["--ping-timeout", "500ms"]
        began = time.time()
        done = wrapper.run("sh", "-c", f"date +%s.%N >{tmp_path}/ran")
        took = time.time() - began
    assert done.returncode == 0
    assert float((tmp_path / "ran").read_text()) - began < took - 0.4
    assert done.stderr.endswith((b": no answer in time\n", b": TimeoutError\n"))
    assert len(wrapper.waiting()) == 2


def test_what_is_refused_for_good_is_dropped_and_what_is_not_waits(
    wrapper: Wrapper, receiver: PingReceiver
) -> None:
    receiver.statuses = {"start": 400, "0": 503}
    done = wrapper.pinging(receiver).run("true")
    assert done.returncode == 0
    place = receiver.url.removesuffix("/ping").encode()
    assert b"a ping of backup is dropped: " + place + b": 400 not now\n" in done.stderr
    assert b": 503 not now" in done.stderr
    receiver.statuses = {}
    assert wrapper.run("true").returncode == 0
    assert [action for _, action in receiver.told] == ["0", "start", "0"]


def test_a_url_with_the_key_in_it_is_said_and_what_was_to_be_told_waits_for_a_better_one(
    wrapper: Wrapper, receiver: PingReceiver
) -> None:
    wrapper.pinging(receiver).environment["SPECTER_PING_URL"] += f"/{KEY}"
    done = wrapper.run("true")
    assert done.returncode == 0
    assert b"the ping URL has the ping key in it; leave the key off" in done.stderr
    assert KEY.encode() not in done.stderr
    assert receiver.told == []
    wrapper.pinging(receiver).run("true")
    assert [action for _, action in receiver.told] == ["start", "0", "start", "0"]


def test_a_url_that_is_none_fails_no_job_and_what_was_to_be_told_waits_for_a_better_one(
    wrapper: Wrapper, receiver: PingReceiver, tmp_path: Path
) -> None:
    wrapper.pinging(receiver).environment["SPECTER_PING_URL"] = "ftp://user:hidden@host/"
    done = wrapper.run("touch", str(tmp_path / "ran"))
    assert done.returncode == 0
    assert (tmp_path / "ran").exists()
    assert b"ping URL: expected such as http://127.0.0.1:9855/ping" in done.stderr
    assert b"hidden" not in done.stderr
    wrapper.pinging(receiver).run("true")
    assert [action for _, action in receiver.told] == ["start", "0", "start", "0"]


def test_where_no_such_job_is_known_it_is_said_what_to_look_at(
    wrapper: Wrapper, receiver: PingReceiver
) -> None:
    receiver.statuses = {"start": 404, "0": 404}
    done = wrapper.pinging(receiver).run("true")
    assert b": 404 not now; is it the ping URL, the ping key of that place, and a job" in done.stderr


def test_a_receiver_that_asks_for_a_pause_gets_it_and_all_pings_in_order(
    wrapper: Wrapper, receiver: PingReceiver
) -> None:
    receiver.busy, receiver.retry_after = 1, "1"
    began = time.monotonic()
    assert wrapper.pinging(receiver).run("true").returncode == 0
    assert time.monotonic() - began >= 1.0
    assert receiver.told == [("backup", "start"), ("backup", "0")]
    assert wrapper.waiting() == []


def test_a_pause_that_is_too_long_is_left_to_the_next_run(wrapper: Wrapper, receiver: PingReceiver) -> None:
    receiver.busy, receiver.retry_after = 2, "3600"
    done = wrapper.pinging(receiver).run("true")
    assert b": 429 not now" in done.stderr
    assert len(wrapper.waiting()) == 2


def test_while_a_process_lives_what_could_not_be_delivered_is_tried_again(
    receiver: PingReceiver, tmp_path: Path
) -> None:
    receiver.statuses = {"start": 503}
    sender = Sender(
        Receiver(receiver.url, lambda: KEY, seconds=5.0), Spool(tmp_path), seconds=5.0, again=0.05
    )
    sender.put(Ping("backup", "start", "some-run", 1.0))
    receiver.statuses = {}
    eventually(lambda: receiver.told == [("backup", "start")])
    sender.close(5.0)


def test_a_job_that_is_refused_does_not_keep_back_others(wrapper: Wrapper, receiver: PingReceiver) -> None:
    receiver.statuses = {"3": 500}
    wrapper.pinging(receiver).run("sh", "-c", "exit 3")
    other = Wrapper(wrapper.state, job="other", environment=wrapper.environment)
    assert other.run("true").returncode == 0
    assert receiver.told == [("backup", "start"), ("other", "start"), ("other", "0")]
    assert len(wrapper.waiting()) == 1


def test_a_key_file_of_another_folder_is_said_with_the_folder_that_was_looked_in(
    wrapper: Wrapper, receiver: PingReceiver
) -> None:
    wrapper.pinging(receiver).options = ["--ping-key-file", "no-such.key"]
    done = wrapper.run("true")
    assert f"ping key: cannot read {Path.cwd()}/no-such.key: No such file".encode() in done.stderr


def test_without_a_key_pings_wait(wrapper: Wrapper, receiver: PingReceiver, tmp_path: Path) -> None:
    key_file = tmp_path / "ping.key"
    wrapper.pinging(receiver).options = ["--ping-key-file", str(key_file)]
    done = wrapper.run("true")
    assert done.returncode == 0
    assert f"ping key: cannot read {key_file}".encode() in done.stderr
    key_file.write_text("key-from-a-file\n")
    wrapper.run("true")
    assert [ping.key for ping in receiver.pings] == ["key-from-a-file"] * 4


def test_a_file_that_is_no_ping_is_dropped(wrapper: Wrapper, receiver: PingReceiver) -> None:
    receiver.statuses = {"start": 503, "0": 503}
    wrapper.pinging(receiver).run("true")
    wrapper.waiting()[0].write_text('{"job": "half of')
    receiver.statuses = {}
    done = wrapper.run("true")
    assert b"a ping of backup is dropped" in done.stderr
    assert receiver.told == [("backup", "0"), ("backup", "start"), ("backup", "0")]
    assert wrapper.waiting() == []


def test_the_spool_is_bounded_a_job(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", limit=3)
    for at in range(5):
        _, dropped = spool.add(Ping("busy", "start", "r", float(at)))
        assert dropped == (1 if at >= 3 else 0)
    spool.add(Ping("rare", "start", "r", 0.0))
    kept = [spool.read(name) for name in spool.names()]
    assert [(ping.job, ping.at) for ping in kept if ping] == [
        ("rare", 0.0),
        ("busy", 2.0),
        ("busy", 3.0),
        ("busy", 4.0),
    ]
    assert oct((tmp_path / "spool").stat().st_mode & 0o777) == oct(0o700)


def test_a_process_that_is_forked_while_another_delivers_does_not_keep_it_from_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    read, write = os.pipe()
    with spool.held(time.monotonic()) as first, spool.held(time.monotonic()) as second:
        assert (first, second) == (True, False)
        child = os.fork()
        if child == 0:
            os.read(read, 1)
            os._exit(0)
    with spool.held(time.monotonic()) as again:
        assert again
    os.write(write, b"x")
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)


def test_a_ping_comes_out_of_its_file_as_it_went_in() -> None:
    check = Check(schedule="@daily", grace=60.0)
    ping = Ping("a-job_1", "143", "some-run", 1.5, "ü\n", check.create, check.headers())
    assert parse(ping.dump()) == ping
    assert ping.path("k") == "/k/a-job_1/143?rid=some-run&create=1"


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"null", Ping("../x", "start", "r", 0.0).dump(), Ping("x", "/../y", "r", 0.0).dump()],
)
def test_what_is_no_ping_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a ping|Expecting value"):
        parse(text)
