"""How much more memory a process may take, before the kernel ends it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from specter_core import metrics

UNLIMITED = "max"


class MemoryRoom(Collector):
    """Tells at each scrape how many bytes of memory are left; nothing where the kernel does not say.

    Beside prometheus_client's `ProcessCollector`, and like it for a service of one process.

    Args:
        registry: where to register.
        proc: where the process file system is mounted.
        cgroups: where the control groups are (version 2; of version 1 nothing is read).

    Raises:
        ValueError: the registry holds a metric of this name already.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        proc: Path = Path("/proc"),
        cgroups: Path = Path("/sys/fs/cgroup"),
    ) -> None:
        self._proc = proc
        self._cgroups = cgroups
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Yield the gauge."""
        left = [*self._of_machine(), *self._of_cgroups()]
        if left:
            metric = metrics.PROCESS_MEMORY_AVAILABLE
            yield GaugeMetricFamily(metric.name, metric.help, max(0, min(left)))

    def describe(self) -> Iterable[Metric]:
        """Yield the gauge without a value, whether there is one now or not."""
        metric = metrics.PROCESS_MEMORY_AVAILABLE
        yield GaugeMetricFamily(metric.name, metric.help)

    def _of_machine(self) -> Iterator[int]:
        for line in _read(self._proc / "meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024

    def _of_cgroups(self) -> Iterator[int]:
        """Yield what is left of each limit above the process: one of them may be narrower than its own."""
        for line in _read(self._proc / "self" / "cgroup").splitlines():
            if not line.startswith("0::/"):
                continue
            folder = self._cgroups / line.removeprefix("0::/")
            while folder.is_relative_to(self._cgroups):
                yield from _left(folder)
                folder = folder.parent


def _left(cgroup: Path) -> Iterator[int]:
    limit, used = _read(cgroup / "memory.max").strip(), _read(cgroup / "memory.current").strip()
    if limit and used and limit != UNLIMITED:
        yield int(limit) - int(used) + _given_back(cgroup)


def _given_back(cgroup: Path) -> int:
    """Return the bytes that the kernel takes back first: pages of files that nobody has read lately."""
    for line in _read(cgroup / "memory.stat").splitlines():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def _read(path: Path) -> str:
    """Return the text of a file of the kernel's, empty where there is none."""
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, PermissionError):
        return ""
