"""What is left of a process' memory: the least of the machine's and of every control group above it."""

from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry

from specter_core.metrics import PROCESS_MEMORY_AVAILABLE
from specter_exporters.app import MemoryRoom

MIB = 2**20
MACHINE = "MemTotal:       24683644 kB\nMemFree:        20000000 kB\nMemAvailable:    2048000 kB\n"


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "cgroups").mkdir()
    return tmp_path


def cgroup(kernel: Path, name: str, limit: str, used: int, inactive: int = 0) -> None:
    folder = kernel / "cgroups" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon {used}\nactive_file 77\ninactive_file {inactive}\n")


def room(kernel: Path) -> float | None:
    registry = CollectorRegistry()
    MemoryRoom(registry, proc=kernel / "proc", cgroups=kernel / "cgroups")
    return registry.get_sample_value(PROCESS_MEMORY_AVAILABLE.name)


def test_without_a_control_group_the_machine_s_memory_counts(kernel: Path) -> None:
    (kernel / "proc" / "meminfo").write_text(MACHINE)
    assert room(kernel) == 2000 * MIB
    (kernel / "proc" / "self" / "cgroup").write_text("4:memory:/a\n0::/\n")
    assert room(kernel) == 2000 * MIB


def test_the_narrowest_limit_above_the_process_counts_less_what_is_used_and_cannot_be_given_back(
    kernel: Path,
) -> None:
    (kernel / "proc" / "meminfo").write_text(MACHINE)
    (kernel / "proc" / "self" / "cgroup").write_text("0::/pod/container\n")
    cgroup(kernel, "pod", str(1000 * MIB), 500 * MIB)
    cgroup(kernel, "pod/container", "max", 400 * MIB)
    assert room(kernel) == 500 * MIB
    cgroup(kernel, "pod/container", str(600 * MIB), 400 * MIB, inactive=50 * MIB)
    assert room(kernel) == 250 * MIB


def test_a_container_sees_its_own_group_as_the_root(kernel: Path) -> None:
    (kernel / "proc" / "meminfo").write_text(MACHINE)
    (kernel / "proc" / "self" / "cgroup").write_text("0::/\n")
    cgroup(kernel, ".", str(300 * MIB), 100 * MIB)
    assert room(kernel) == 200 * MIB


def test_a_group_over_its_limit_has_nothing_left(kernel: Path) -> None:
    (kernel / "proc" / "self" / "cgroup").write_text("0::/a\n")
    cgroup(kernel, "a", str(100 * MIB), 101 * MIB)
    assert room(kernel) == 0


def test_where_the_kernel_says_nothing_there_is_no_series(kernel: Path) -> None:
    assert room(kernel) is None


def test_of_this_machine_it_is_no_more_than_there_is() -> None:
    registry = CollectorRegistry()
    MemoryRoom(registry)
    left = registry.get_sample_value(PROCESS_MEMORY_AVAILABLE.name)
    assert left is not None
    assert 0 < left < psutil.virtual_memory().total


def test_a_registry_takes_it_once() -> None:
    registry = CollectorRegistry()
    MemoryRoom(registry)
    with pytest.raises(ValueError, match=PROCESS_MEMORY_AVAILABLE.name):
        MemoryRoom(registry)
