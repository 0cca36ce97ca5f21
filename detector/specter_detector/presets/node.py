"""Hosts, through node_exporter."""

from specter_core import metrics
from specter_detector.presets.model import RATIO, Preset, PresetQuery, Source

CPU = metrics.NODE_CPU
DISKS = f"{{{metrics.NODE_DISKS}}}"
CARDS = f"{{{metrics.NODE_CARDS}}}"


def free(kind: str) -> Source:
    """Return the free share of file systems; 0 is where it ends."""
    available, size = ("avail", "size") if kind == "bytes" else ("files_free", "files")
    unit = "_bytes" if kind == "bytes" else ""
    have, all_ = f"node_filesystem_{available}{unit}", f"node_filesystem_{size}{unit}"
    return Source(f"{have}{DISKS} / ({all_}{DISKS} > 0)", (have, all_), limit=f"0 * {all_}{DISKS}")


def traffic(way: str) -> Source:
    """Return bytes a second of a host, its cards added up."""
    metric = f"node_network_{way}_bytes_total"
    return Source(f"sum without (device) (rate({metric}{CARDS}[5m]))", (metric,))


NODE = Preset(
    "node",
    "hosts with node_exporter",
    (
        PresetQuery(
            "node_cpu_used",
            "CPU used",
            "a runaway process, or too little machine",
            "ratio",
            "service",
            (Source(f'clamp_min(1 - avg without (cpu, mode) (rate({CPU}{{mode="idle"}}[5m])), 0)', (CPU,)),),
            direction="above_expected",
            min_dev=0.15,
            min_rel_dev=0.3,
            data_range=RATIO,
        ),
        PresetQuery(
            "node_load_per_cpu",
            "Load per CPU, 5 minutes",
            "processes wait for CPU or disk",
            "processes",
            "service",
            (
                Source(
                    f'node_load5 / count without (cpu, mode) ({CPU}{{mode="idle"}})',
                    ("node_load5", CPU),
                ),
            ),
            direction="above_expected",
            min_dev=0.5,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "node_memory_available",
            "Memory available",
            "a leak, or a process that grew; the leak score sees a creep towards 0",
            "ratio",
            "service",
            (
                Source(
                    "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                    ("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"),
                    limit="0 * node_memory_MemTotal_bytes",
                ),
            ),
            direction="below_expected",
            min_dev=0.1,
            data_range=RATIO,
        ),
        PresetQuery(
            "node_disk_free",
            "Disk space free",
            "logs or data fill a disk; the leak score sees a creep towards 0",
            "ratio",
            "service",
            (free("bytes"),),
            direction="below_expected",
            min_dev=0.05,
            data_range=RATIO,
        ),
        PresetQuery(
            "node_inodes_free",
            "Inodes free",
            "many small files; writing fails although there is space",
            "ratio",
            "detail",
            (free("files"),),
            direction="below_expected",
            min_dev=0.05,
            data_range=RATIO,
        ),
        PresetQuery(
            "node_cpu_iowait",
            "CPU waiting for disks",
            "a slow or failing disk",
            "ratio",
            "detail",
            (Source(f'avg without (cpu, mode) (rate({CPU}{{mode="iowait"}}[5m]))', (CPU,)),),
            direction="above_expected",
            min_dev=0.1,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "node_disk_busy",
            "Busiest disk's time in use",
            "a disk at its limit",
            "ratio",
            "detail",
            (
                Source(
                    "max without (device) (rate(node_disk_io_time_seconds_total[5m]))",
                    ("node_disk_io_time_seconds_total",),
                ),
            ),
            direction="above_expected",
            min_dev=0.25,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "node_major_faults",
            "Major page faults",
            "memory is so short that pages are read back from disk",
            "faults/s",
            "detail",
            (Source("rate(node_vmstat_pgmajfault[5m])", ("node_vmstat_pgmajfault",)),),
            direction="above_expected",
            min_dev=50,
            min_rel_dev=2.0,
        ),
        PresetQuery(
            "node_network_receive",
            "Network received",
            "a flood, a copy, or nobody there any more",
            "bytes/s",
            "detail",
            (traffic("receive"),),
            min_dev=250_000,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "node_network_transmit",
            "Network sent",
            "data leaves, or answers stop",
            "bytes/s",
            "detail",
            (traffic("transmit"),),
            min_dev=250_000,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "node_network_errors",
            "Network errors",
            "a bad cable, card or driver",
            "errors/s",
            "service",
            (
                Source(
                    f"sum without (device) (rate(node_network_receive_errs_total{CARDS}[5m])"
                    f" + rate(node_network_transmit_errs_total{CARDS}[5m]))",
                    ("node_network_receive_errs_total", "node_network_transmit_errs_total"),
                ),
            ),
            direction="above_expected",
            min_dev=0.5,
        ),
        PresetQuery(
            "node_file_descriptors",
            "File descriptors open",
            "descriptors leak; the leak score sees a creep towards the kernel's limit",
            "descriptors",
            "detail",
            (
                Source(
                    "node_filefd_allocated",
                    ("node_filefd_allocated",),
                    limit="node_filefd_maximum < 1e9",
                ),
            ),
            direction="above_expected",
            min_dev=2000,
            min_rel_dev=0.5,
        ),
    ),
)
