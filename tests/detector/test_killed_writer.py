"""kill -9 at any moment: no gap, no tick with two values, no half tick."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from specter_detector.disk_spool import DiskSpool
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SERIES = 50


def start(server: Prometheus, folder: Path, first: float, last: float) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            sys.executable, "-m", "tests.detector.killed_writer",
            server.url, str(folder / "spool"), f"{first:.0f}", f"{last:.0f}",
        ],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def newest_tick(folder: Path) -> float:
    spool = DiskSpool(folder / "spool", max_bytes=1 << 30, max_age=1e9, dropped=lambda *_: None)
    at = spool.last_tick("s") or 0.0
    spool.close()
    return at


def kill_in_a_loop(folder: Path, times: int, seed: int) -> None:
    random = Random(seed)
    first = float(int(time.time())) - 3400
    far = first + 3300
    said = ""
    with running_prometheus(folder / "prometheus") as server:
        for _ in range(times):
            with start(server, folder, first, far) as process:
                assert process.stdout is not None
                # Sometimes while it starts and sends what is left, mostly while it ticks.
                if random.random() < 0.8:
                    assert process.stdout.readline() == "ready\n"
                    delay = random.uniform(0.0, 0.3)
                else:
                    delay = random.uniform(0.3, 0.8)
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(timeout=delay)
                process.kill()
                said += process.communicate()[1]
        last = newest_tick(folder) + 3
        with start(server, folder, first, last) as process:
            out, errors = process.communicate(timeout=60)
        said += errors
        assert out == "ready\ndone\n"
        assert "refused" not in said
        assert "Traceback" not in said
        ticks = round(last - first) + 1
        assert ticks > times
        columns = {}
        for name in ("anomaly_score", "yhat", "yhat_lower", "yhat_upper"):
            rows = server.query(f"{name}[1h]", last)
            assert len(rows) == SERIES
            for row in rows:
                values = [(float(at), float(value)) for at, value in row["values"]]  # type: ignore[attr-defined]
                assert [at for at, _ in values] == [first + number for number in range(ticks)]
                columns[name, str(row["metric"]["instance"])] = values  # type: ignore[index]
        # Every tick is one process's: score and band fit together in each.
        for (name, instance), values in columns.items():
            offset = ("anomaly_score", "yhat", "yhat_lower", "yhat_upper").index(name)
            scores = columns["anomaly_score", instance]
            assert [value - offset for _, value in values] == [value for _, value in scores]


def test_a_writer_killed_a_few_times_leaves_neither_gap_nor_conflict(tmp_path: Path) -> None:
    kill_in_a_loop(tmp_path, 4, seed=1)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [2, 3])
def test_a_writer_killed_in_a_loop_leaves_neither_gap_nor_conflict(tmp_path: Path, seed: int) -> None:
    kill_in_a_loop(tmp_path, 25, seed)
