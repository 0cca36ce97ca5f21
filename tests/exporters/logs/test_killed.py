"""Whatever kills the exporter, and however files rotate meanwhile, each line is counted exactly once."""

import gzip
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.exporters.logs.reading import numbered
from tests.exporters.logs.served import Served, command, serving, until

pytestmark = pytest.mark.integration

CONFIG = """
logs:
  - name: shop
    files: ["{folder}/app.log"]
    format: json
    start: beginning
    counters:
      - {{name: shop_sum_total, value: n}}
poll_interval: 50ms
save_interval: 100ms
rotated_timeout: 2s
"""
LINES = "specter_log_lines_total"
BURST = 30_000


class Writer:
    """Writes numbered lines, and rotates in every way that logrotate knows."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.written = 0
        self._random = random.Random(seed)

    def write(self, count: int) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(numbered(self.written, count))
        self.written += count

    @property
    def sum(self) -> int:
        """What the lines' numbers add up to: a line lost and another counted twice would show."""
        return self.written * (self.written - 1) // 2

    def rotate(self) -> str:
        how = self._random.choice(["rename", "copytruncate", "rename gzip", "copytruncate gzip", "none"])
        if how == "none":
            return how
        for number in range(20, 0, -1):
            for suffix in ("", ".gz"):
                older = Path(f"{self.path}.{number}{suffix}")
                if older.exists():
                    older.rename(f"{self.path}.{number + 1}{suffix}")
        target = Path(f"{self.path}.1")
        if how.startswith("rename"):
            self.path.rename(target)
        else:
            shutil.copyfile(self.path, target)
            os.truncate(self.path, 0)
        if how.endswith("gzip"):
            times = target.stat()
            with target.open("rb") as source, gzip.open(f"{target}.gz", "wb", 1) as packed:
                shutil.copyfileobj(source, packed)
            os.utime(f"{target}.gz", ns=(times.st_atime_ns, times.st_mtime_ns))
            target.unlink()
        return how


def kill_loop(tmp_path: Path, rounds: int, seed: int) -> None:
    config, state = tmp_path / "logs.yml", tmp_path / "state"
    config.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    writer = Writer(tmp_path / "app.log", seed)
    chance = random.Random(seed)
    writer.write(1000)
    seen = 0.0
    history: list[str] = []
    for _ in range(rounds):
        with serving(config, state) as served:
            first = served.total(LINES)
            assert first >= seen, f"a counter went back from {seen} to {first} after {history}"
            writer.write(BURST)
            history.append(writer.rotate())
            writer.write(BURST // 3)
            goal = first + chance.randrange(1, BURST)
            seen = _read_until(served, goal)
            served.kill()
        writer.write(500)
        for _ in range(chance.randrange(3)):
            history.append(writer.rotate())
            writer.write(700)
    with serving(config, state) as served:
        until(lambda: served.total(LINES) >= writer.written, f"{writer.written} lines after {history}")
        assert served.total("shop_sum_total") == writer.sum, history
        assert served.total(LINES) == writer.written
        assert served.total("specter_log_lost_files_total") == 0
        # Long after, when every rotated file has been given up: still the same.
        until(lambda: served.total("specter_log_files") == 1, "rotated files being done")
        assert served.total(LINES) == writer.written


def _read_until(served: Served, goal: float) -> float:
    """Wait until `goal` lines are counted; return how many are."""

    def enough() -> float:
        lines = served.total(LINES)
        return lines if lines >= goal else 0.0

    return float(until(enough, f"reading {goal} lines"))


def test_each_line_is_counted_once_through_kills_and_rotations(tmp_path: Path) -> None:
    kill_loop(tmp_path, rounds=4, seed=1)


@pytest.mark.prove
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(2, 12))
def test_each_line_is_counted_once_through_many_kills(tmp_path: Path, seed: int) -> None:
    kill_loop(tmp_path, rounds=15, seed=seed)


def test_a_second_process_says_who_holds_the_folder(tmp_path: Path) -> None:
    config, state = tmp_path / "logs.yml", tmp_path / "state"
    config.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    with serving(config, state) as served:
        second = subprocess.run(
            command(
                "--config", str(config), "--storage.path", str(state), "--web.listen-address", "127.0.0.1:0"
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1
        assert f"in use by another log exporter (process {served.process.pid})" in second.stderr
