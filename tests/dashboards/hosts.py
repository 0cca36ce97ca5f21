"""What two hosts expose and what is recorded of them; b is down, short of disk, and has lost its worker."""

import time

A, B = (f'job="node",instance="{host}"' for host in "ab")
FILES = 'device="/dev/vda1",fstype="ext4",mountpoint="/"'
LOADS = {A: 0.4, B: 2.5}
GAUGES = {
    f"up{{{A}}}": 1,
    f"up{{{B}}}": 0,
    **{f"service_instance:node_load:per_cpu{{{host}}}": load for host, load in LOADS.items()},
    **{f"service_instance:node_cpu_used:ratio_rate5m{{{host}}}": load / 3 for host, load in LOADS.items()},
    **{
        f"{name}{{{host}{files}}}": value
        for name, files, values in (
            ("service_instance:node_memory_available:ratio", "", (0.6, 0.3)),
            ("service_instance_mountpoint:node_filesystem_available:ratio", f",{FILES}", (0.5, 0.02)),
            ("service_instance_mountpoint:node_filesystem_inodes_free:ratio", f",{FILES}", (0.9, 0.8)),
            ("node_boot_time_seconds", "", (time.time() - 86_400, time.time() - 600)),
            ("node_time_seconds", "", (time.time(), time.time())),
            ("node_nf_conntrack_entries", "", (200, 100)),
            ("node_nf_conntrack_entries_limit", "", (1000, 1000)),
        )
        for host, value in zip((A, B), values, strict=True)
    },
    f'node_systemd_unit_state{{{A},name="nginx.service",state="failed",type="forking"}}': 0,
    f'node_systemd_unit_state{{{B},name="celery.service",state="failed",type="simple"}}': 1,
    **{
        f'{name}{{job="process",instance="{host}",groupname="celery"{memtype}}}': value
        for name, memtype, values in (
            ("service_instance_groupname:namedprocess_processes:count", "", (4, 0)),
            ("service_instance_groupname:namedprocess_resident_bytes:mean", "", (1e8, 1e8)),
            ("namedprocess_namegroup_memory_bytes", ',memtype="resident"', (4e8, 0)),
            ("namedprocess_namegroup_worst_fd_ratio", "", (0.1, 0)),
            ("namedprocess_namegroup_oldest_start_time_seconds", "", (time.time() - 3600, 0)),
        )
        for host, value in zip("ab", values, strict=True)
    },
    **{
        f'pm2_app_{name}{{job="pm2",instance="a",app="shop"}}': value
        for name, value in (("status", 1), ("instances", 2), ("total_memory", 1.2e8))
    },
}
COUNTERS = (
    *(
        f"node_{name}{{{A}}}"
        for name in (
            "pressure_cpu_waiting_seconds_total",
            "pressure_memory_stalled_seconds_total",
            "pressure_io_stalled_seconds_total",
            "vmstat_pswpin",
            "vmstat_pswpout",
            "vmstat_oom_kill",
        )
    ),
    *(f'node_disk_io_time{name}_seconds_total{{{A},device="vda"}}' for name in ("", "_weighted")),
    *(
        f'node_network_{way}_{what}_total{{{A},device="eth0"}}'
        for way in ("receive", "transmit")
        for what in ("bytes", "errs")
    ),
    f'node_systemd_service_restart_total{{{B},name="celery.service"}}',
    'namedprocess_namegroup_cpu_seconds_total{job="process",instance="a",groupname="celery",mode="user"}',
    'pm2_app_restart_count{job="pm2",instance="a",app="shop",exported_instance="0"}',
)
