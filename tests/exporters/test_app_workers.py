"""gunicorn with four workers: totals are exact, whoever is scraped, whoever is killed."""

import errno
import os
import random
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import requests

from specter_exporters.app import gunicorn as hooks
from tests.exporters.serving import WITHIN, Server, children, samples, serving, until
from tests.servers.prometheus import free_port

pytestmark = pytest.mark.integration

APP = """\
import os
import threading

from flask import Flask

from specter_exporters.app import SpecterFlask

app = Flask("shop")
SpecterFlask(app, service_name="shop", service_version="1.4.2")


@app.get("/ok")
def ok():
    return str(os.getpid())


@app.get("/hang")
def hang():
    with open("hanging", "a") as file:
        file.write(f"{os.getpid()}\\n")
    threading.Event().wait()
"""
HOOKS = "from specter_exporters.app.gunicorn import *\n"
WORKERS = 4
TOTAL = ("specter_http_server_workers", ())


def gunicorn(folder: Path, *more: str) -> list[str]:
    (folder / "shop.py").write_text(APP, encoding="utf-8")
    (folder / "conf.py").write_text(HOOKS, encoding="utf-8")
    command = ["gunicorn", "-c", "conf.py", "-b", "127.0.0.1:0", "-w", str(WORKERS), "--timeout", "600"]
    return [*command, "--no-control-socket", *more, "shop:app"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Server]:
    with serving(gunicorn(tmp_path), tmp_path) as server:
        yield server


def load(server: Server, each: int, clients: int = 6, during: object = None) -> set[str]:
    """Send `each` requests from every client; return the workers that answered."""
    pids: set[str] = set()

    def client() -> None:
        for _ in range(each):
            pids.add(server.get("/ok").text)

    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(client) for _ in range(clients)]:
            future.result()
    return pids


def folder_of(server: Server) -> Path:
    """Return the workers' folder, by what a worker has mapped."""

    def find() -> Path | None:
        for worker in server.workers:
            try:
                maps = psutil.Process(worker).memory_maps()
            except psutil.Error:  # it has just ended
                continue
            for entry in maps:
                if entry.path.endswith(".worker.v1"):
                    return Path(entry.path).parent
        return None

    folder = until(find, "a mapped file")
    assert isinstance(folder, Path)
    return folder


def counts_to(server: Server, route: str, total: float) -> bool:
    """Whether the route's total is `total`, once the last answers' workers have had time to count them."""
    until(lambda: server.requests(route) >= total, f"{total} requests of {route}")
    return server.requests(route) == total


def test_every_scrape_has_the_totals_of_all_workers(shop: Server) -> None:
    pids = load(shop, 50)
    assert len(pids) > 1
    assert counts_to(shop, "/ok", 300)
    for _ in range(20):  # whichever worker answers
        found = shop.scrape()
        assert found[("http_server_request_duration_seconds_count", ("GET", "200", "/ok"))] == 300
        assert found[("http_server_response_body_size_bytes_count", ("GET", "/ok"))] == 300
        assert found[("target_info", ("shop", "1.4.2"))] == 1
        assert found[TOTAL] == WORKERS
        assert found[("specter_http_server_slots", ())] == WORKERS
        assert found[("http_server_active_requests", ("GET",))] == 0


def test_killed_workers_leave_their_counts_and_take_their_gauges(shop: Server) -> None:
    hanging = shop.log.parent / "hanging"
    for kills in range(3):
        kill_one_that_hangs(shop, hanging, kills)
        assert counts_to(shop, "/ok", (kills + 1) * 100)
    until(lambda: shop.scrape()[TOTAL] == WORKERS, "the workers' return")
    found = shop.scrape()
    assert found[("http_server_active_requests", ("GET",))] == 0
    assert shop.requests("/hang") == 0
    files = sorted(path.name.split(".", 1)[-1] for path in folder_of(shop).iterdir())
    assert files == ["lock", "owner", "v1", *["worker.v1"] * WORKERS]


def kill_one_that_hangs(shop: Server, hanging: Path, before: int) -> None:
    """Kill -9 a worker amid 100 requests to the others; `before` have been killed."""
    done = threading.Thread(target=hang, args=(shop,))
    done.start()
    until(lambda: hanging.exists() and len(hanging.read_text().split()) == before + 1, "hanging")
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, shop, 25, 4)
        until(lambda: shop.requests("/ok") > before * 100 + 10, "load")
        assert shop.scrape()["http_server_active_requests", ("GET",)] >= 1
        # It waits in /hang: every request that it has answered before is over, and must be counted.
        os.kill(int(hanging.read_text().split()[-1]), signal.SIGKILL)
        loading.result()
    done.join()


def hang(server: Server) -> None:
    with pytest.raises(requests.RequestException):
        server.get("/hang")


def test_counters_never_go_back_while_workers_are_killed_at_random(shop: Server) -> None:
    chosen = random.Random(4)
    answered = lost = 0
    lock = threading.Lock()
    stop = threading.Event()

    def client() -> None:
        nonlocal answered, lost
        while not stop.is_set():
            try:
                ok = shop.get("/ok").ok
            except requests.RequestException:
                ok = False
            with lock:
                answered += ok
                lost += not ok

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    seen = 0.0
    kills = 0
    while kills < 12:
        victims = shop.workers
        if len(victims) == WORKERS and seen > kills * 20:
            os.kill(chosen.choice(victims), signal.SIGKILL)
            kills += 1
        try:
            now = shop.requests("/ok")
        except requests.RequestException:
            continue
        assert now >= seen
        seen = now
    stop.set()
    for thread in clients:
        thread.join()
    # A killed worker may have answered one request that it had no time to count, and counted one
    # whose answer did not arrive.
    counted = shop.requests("/ok")
    assert answered - kills <= counted <= answered + lost
    assert len(list(folder_of(shop).glob("*.worker.v1"))) <= WORKERS + 1


@pytest.mark.parametrize("more", [["--preload"], ["--threads", "3"], ["-k", "gthread", "--preload"]])
def test_preloaded_and_threaded_workers_that_are_replaced_all_the_time(
    tmp_path: Path, more: list[str]
) -> None:
    options = [*more, "--max-requests", "17", "--max-requests-jitter", "5"]
    with serving(gunicorn(tmp_path, *options), tmp_path) as server:
        for round_ in range(1, 3):
            load(server, 25, clients=4)
            assert counts_to(server, "/ok", round_ * 100)
        threads = 3 if "3" in more else 1
        until(lambda: server.scrape()[TOTAL] == WORKERS, "all workers")
        found = server.scrape()
        assert found[("specter_http_server_slots", ())] == found[TOTAL] * threads
        folder = folder_of(server)
        assert len(list(folder.iterdir())) <= WORKERS + 4
    assert not folder.exists()


def test_an_upgrade_in_flight_goes_on_counting(shop: Server) -> None:
    load(shop, 10, clients=4)
    old = shop.process.pid
    shop.process.send_signal(signal.SIGUSR2)
    new = until(lambda: [pid for pid in shop.workers if children(pid)], "a new master")[0]
    try:
        until(lambda: len(children(new)) == WORKERS, "new workers")
        until(lambda: shop.scrape()[TOTAL] == 2 * WORKERS, "both generations")
        load(shop, 10, clients=4)
        os.kill(old, signal.SIGTERM)
        shop.process.wait(WITHIN)
        load(shop, 10, clients=4)
        assert counts_to(shop, "/ok", 120)
        assert shop.scrape()[TOTAL] == WORKERS
    finally:
        master = psutil.Process(new)
        master.terminate()
        psutil.wait_procs([master], WITHIN)


def test_a_folder_that_a_killed_server_left_is_removed_by_the_next(tmp_path: Path) -> None:
    command = gunicorn(tmp_path)
    # In /dev/shm, any server that another test starts meanwhile would remove it.
    memory = tmp_path / "memory"
    memory.mkdir()
    with (tmp_path / "conf.py").open("a", encoding="utf-8") as conf:
        conf.write("from pathlib import Path\nfrom specter_exporters.app import gunicorn\n")
        conf.write(f"gunicorn.MEMORY = Path({str(memory)!r})\n")
    with serving(command, tmp_path) as server:
        folder = folder_of(server)
        workers = [psutil.Process(pid) for pid in server.workers]
        server.process.kill()
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, WITHIN)
        server.process.wait(WITHIN)
    assert list(memory.iterdir()) == [folder]
    with serving(command, tmp_path) as server:
        assert list(memory.iterdir()) == [folder_of(server)]
    assert list(memory.iterdir()) == []


def starting(monkeypatch: pytest.MonkeyPatch, memory: Path, uid: int) -> SimpleNamespace:
    """Return a server about to start, whose environment is given back at the end of the test."""
    monkeypatch.setattr("specter_exporters.app.gunicorn.MEMORY", memory)
    for name in ("SPECTER_WORKERS_DIR", "SPECTER_WORKERS_PARENT", "SPECTER_WORKERS_SLOTS"):
        monkeypatch.setenv(name, "")
    cfg = SimpleNamespace(uid=uid, gid=os.getgid(), threads=1, worker_class_str="sync", env_orig={})
    return SimpleNamespace(cfg=cfg)


def test_a_full_memory_file_system_keeps_no_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, temporary = tmp_path / "memory", tmp_path / "temporary"
    memory.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    mkdtemp = tempfile.mkdtemp

    def full(**where: Any) -> str:
        if where["dir"] == memory:
            raise OSError(errno.ENOSPC, "No space left on device")
        made: str = mkdtemp(**where)
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    server = starting(monkeypatch, memory, os.getuid())
    hooks.on_starting(server)
    assert Path(os.environ["SPECTER_WORKERS_DIR"]).parent == temporary
    hooks.on_exit(server)
    assert list(temporary.iterdir()) == []


def test_what_another_user_has_put_beside_the_folders_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / f"specter-workers-{os.getuid()}-not-ours"
    foreign.mkdir()
    (foreign / "owner").touch()
    other = os.getuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    server = starting(monkeypatch, tmp_path, other)
    hooks.on_starting(server)
    assert len(list(tmp_path.iterdir())) == 2
    hooks.on_exit(server)
    assert list(tmp_path.iterdir()) == [foreign]


def scraped(url: str) -> dict[tuple[str, tuple[str, ...]], float] | None:
    """Return the samples at an address, None while nobody is there."""
    try:
        return samples(requests.get(url, timeout=WITHIN).text)
    except requests.ConnectionError:
        return None


def with_port(folder: Path, port: int, *more: str) -> list[str]:
    """Return the command of a server whose metrics have a port of their own, and no path."""
    command = gunicorn(folder, *more)
    (folder / "shop.py").write_text(
        APP.replace("SpecterFlask(app,", "specter = SpecterFlask(app, metrics_path=None,"), encoding="utf-8"
    )
    (folder / "conf.py").write_text(
        HOOKS
        + "from specter_exporters.app.gunicorn import serve_metrics\n"
        + "def registry():\n    import shop\n    return shop.specter.recorder.registry\n"
        + f"post_worker_init = serve_metrics('127.0.0.1:{port}', registry)\n",
        encoding="utf-8",
    )
    return command


def holder(server: Server, port: int) -> int | None:
    """Return the worker that listens on a port."""
    for worker in server.workers:
        try:
            connections = psutil.Process(worker).net_connections("tcp")
        except psutil.Error:  # it has just ended
            continue
        if any(each.status == "LISTEN" and each.laddr.port == port for each in connections):
            return worker
    return None


def another(server: Server, port: int, gone: int) -> bool:
    """Whether another worker listens on a port than the one that is gone."""
    return holder(server, port) not in {None, gone}


def shows(url: str, sample: tuple[str, tuple[str, ...]], value: float) -> bool:
    """Whether a sample at an address has a value."""
    return (scraped(url) or {}).get(sample) == value


@pytest.mark.parametrize("more", [(), ("--preload", "--threads", "2")])
def test_metrics_on_a_port_of_their_own_are_those_of_all_workers_whichever_dies(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    count = ("http_server_request_duration_seconds_count", ("GET", "200", "/ok"))
    with serving(with_port(tmp_path, port, *more), tmp_path) as server:
        until(lambda: scraped(url), "metrics")
        before = 0
        for _ in range(3):
            before += 40
            assert len(load(server, 10, clients=4)) > 1
            until(partial(shows, url, count, before), f"{before} requests")
            # Those that have served nothing count too.
            until(partial(shows, url, TOTAL, WORKERS), "all workers")
            assert server.get("/metrics").status_code == 404
            gone = until(lambda: holder(server, port), "who listens")
            os.kill(gone, signal.SIGKILL)
            until(partial(another, server, port, gone), "another worker")
            until(lambda: len(server.workers) == WORKERS, "the worker's return")
