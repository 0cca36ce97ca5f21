"""Hosts, as node_exporter tells of them: gone, short of CPU or memory, cut off, with a wrong clock."""

from specter_alerts.annotations import annotated_alert
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

WINDOW = "5m"
HOST = f"{metrics.SERVICE}, job, instance"
RECENT = "15m"
# A clock that is set moves the time of the boot by a little.
REBOOT_SECONDS = 60
# Hosts of one service must not mute each other's alerts.
OF_HOST = "of {{ $labels.instance }}"


def groups(settings: Settings) -> list[RuleGroup]:
    """Return what is recorded of hosts, and the alerts on them."""
    return [
        RuleGroup("specter_hosts", _recorded()),
        RuleGroup(
            "specter_hosts_alerts",
            (
                _down(settings),
                _exporter_down(settings),
                _cpu(settings),
                _memory_low(settings),
                _memory_stalled(settings),
                _swapping(settings),
                _out_of_memory(settings),
                _network_errors(settings),
                _conntrack(settings),
                _clock_skewed(settings),
                _clock_unsynchronised(settings),
                _rebooted(settings),
            ),
        ),
    ]


def _recorded() -> tuple[RecordingRule, ...]:
    idle = f'sum by ({HOST}) (rate({metrics.NODE_CPU}{{mode=~"idle|iowait"}}[{WINDOW}]))'
    cpus = f'count by ({HOST}) (rate({metrics.NODE_CPU}{{mode="idle"}}[{WINDOW}]))'
    return (
        RecordingRule(metrics.HOST_CPU_USED, f"clamp_min(1 - {idle} / {cpus}, 0)"),
        RecordingRule(metrics.HOST_LOAD, f"sum by ({HOST}) ({metrics.NODE_LOAD})\n/\n{cpus}"),
        RecordingRule(
            metrics.HOST_MEMORY_AVAILABLE,
            f"sum by ({HOST}) ({metrics.NODE_MEMORY_AVAILABLE})\n/\n"
            f"sum by ({HOST}) ({metrics.NODE_MEMORY_TOTAL})",
        ),
    )


def _exporters(settings: Settings) -> str:
    return f'{metrics.UP}{{job=~"{settings.host_jobs}"}}'


def _all_down(settings: Settings) -> str:
    return f"max by ({metrics.SERVICE}, instance) ({_exporters(settings)}) == 0"


def _down(settings: Settings) -> AlertRule:
    return annotated_alert(
        settings,
        "HostDown",
        _all_down(settings),
        "critical",
        f"host {OF_HOST}",
        wait=settings.host_down_for,
        summary="Host {{ $labels.instance }} is down",
        description=(
            "No exporter of host {{ $labels.instance }} answers its scrape (highest `up` is {{ $value }}); "
            "expected at least one that does."
        ),
        action="Ping it, look at its console or its provider's page; does a firewall block the way?",
        to_host=True,
    )


def _exporter_down(settings: Settings) -> AlertRule:
    return annotated_alert(
        settings,
        "HostExporterDown",
        f"{_exporters(settings)} == 0\nunless on ({metrics.SERVICE}, instance)\n{_all_down(settings)}",
        "warning",
        f"exporter {OF_HOST}",
        wait=settings.host_exporter_down_for,
        summary="Exporter {{ $labels.job }} on host {{ $labels.instance }} is down",
        description=(
            "The exporter {{ $labels.job }} of host {{ $labels.instance }} does not answer its scrape (`up` "
            "is {{ $value }}); another exporter of the host does. What it tells is unknown."
        ),
        action="Read the exporter's log on the host (journalctl -u), and start it.",
        to_host=True,
    )


def _cpu(settings: Settings) -> AlertRule:
    load, used = number(settings.host_load_per_cpu), number(settings.host_cpu_used_ratio)
    waiting = f"rate({metrics.NODE_PRESSURE_CPU}[{WINDOW}])"
    return annotated_alert(
        settings,
        "HostCpuSaturated",
        f"{metrics.HOST_LOAD} > {load}\nand\n{metrics.HOST_CPU_USED} > {used}\n"
        # Load counts what waits for a disk, too. Kernels without pressure have no say.
        f"unless on ({HOST})\n{waiting} < {number(settings.host_cpu_pressure)}",
        "warning",
        f"cpu {OF_HOST}",
        wait=settings.host_saturated_for,
        summary="Host {{ $labels.instance }} has too little CPU",
        description=(
            "On host {{ $labels.instance }} {{ $value | humanize }} processes run or wait for each CPU, and "
            f"all are in use, for {settings.host_saturated_for}; expected at most {load}."
        ),
        action=(
            "Find who takes it (*CPU of process groups*, then top); end a runaway, or move work elsewhere."
        ),
        to_host=True,
    )


def _memory_low(settings: Settings) -> AlertRule:
    least = settings.host_memory_ratio
    return annotated_alert(
        settings,
        "HostMemoryLow",
        f"{metrics.HOST_MEMORY_AVAILABLE} < {number(least)}",
        "warning",
        f"memory {OF_HOST}",
        wait=settings.host_memory_for,
        summary="Host {{ $labels.instance }} has {{ $value | humanizePercentage }} of its memory left",
        description=(
            "On host {{ $labels.instance }} {{ $value | humanizePercentage }} of the memory is available; "
            f"expected at least {number(least * 100)}%. The kernel ends processes when it is used up."
        ),
        action="Find the group whose memory grew (*Memory of process groups*), and restart or limit it.",
        to_host=True,
    )


def _memory_stalled(settings: Settings) -> AlertRule:
    most = settings.host_memory_pressure
    return annotated_alert(
        settings,
        "HostMemoryStalled",
        f"rate({metrics.NODE_PRESSURE_MEMORY}[{WINDOW}]) > {number(most)}",
        "warning",
        f"memory {OF_HOST}",
        wait=settings.host_memory_for,
        summary="Host {{ $labels.instance }} stands still for want of memory",
        description=(
            "On host {{ $labels.instance }} nothing went on for {{ $value | humanizePercentage }} of "
            "the last "
            f"{WINDOW}, because all that would run waited for memory; expected at most {number(most * 100)}%."
        ),
        action="Free memory at once: end or restart the largest process that can be spared.",
        to_host=True,
    )


def _swapping(settings: Settings) -> AlertRule:
    most = number(settings.host_swap_pages)
    coming, going = (
        f"rate({name}[{WINDOW}]) > {most}" for name in (metrics.NODE_SWAPPED_IN, metrics.NODE_SWAPPED_OUT)
    )
    return annotated_alert(
        settings,
        "HostSwapping",
        # Pages that only go are moved out of the way; those that come back at once were needed. Where the
        # kernel tells of pressure, that says better what it costs.
        f"{coming}\nand on ({HOST})\n{going}\nunless on "
        f"({HOST})\nrate({metrics.NODE_PRESSURE_MEMORY}[{WINDOW}])",
        "warning",
        f"memory {OF_HOST}",
        wait=settings.host_memory_for,
        summary="Host {{ $labels.instance }} swaps all the time",
        description=(
            "Host {{ $labels.instance }} takes {{ $value | humanize }} pages a second back from swap "
            "while it "
            f"moves others there; expected at most {most} both ways."
        ),
        action="Free memory at once: end or restart the largest process that can be spared.",
        to_host=True,
    )


def _out_of_memory(settings: Settings) -> AlertRule:
    return annotated_alert(
        settings,
        "HostOutOfMemoryKill",
        f"increase({metrics.NODE_OOM_KILLS}[{RECENT}]) > 0",
        "warning",
        f"memory {OF_HOST}",
        summary="The kernel of host {{ $labels.instance }} ended a process for its memory",
        description=(
            f"Within {RECENT} the kernel of host {{{{ $labels.instance }}}} ended "
            '{{ $value | printf "%.0f" }} processes for want of memory, of the host or of a container; '
            "expected 0."
        ),
        action="journalctl -k | grep -i oom says which and whose limit it was; see that it runs again.",
        to_host=True,
    )


def _network_errors(settings: Settings) -> AlertRule:
    def both(received: str, sent: str) -> str:
        return " + ".join(f"rate({name}{{{metrics.NODE_CARDS}}}[{WINDOW}])" for name in (received, sent))

    errors = both(metrics.NODE_RECEIVE_ERRORS, metrics.NODE_SEND_ERRORS)
    packets = both(metrics.NODE_RECEIVED_PACKETS, metrics.NODE_SENT_PACKETS)
    most = settings.host_network_error_ratio
    return annotated_alert(
        settings,
        "HostNetworkErrors",
        f"({errors})\n/\n({packets} > 0)\n> {number(most)}",
        "warning",
        f"network {OF_HOST}",
        wait=settings.host_network_for,
        summary="Network card {{ $labels.device }} of host {{ $labels.instance }} has errors",
        description=(
            "{{ $value | humanizePercentage }} of the packets of {{ $labels.device }} on host "
            f"{{{{ $labels.instance }}}} were broken in the last {WINDOW}; expected at most "
            f"{number(most * 100)}%."
        ),
        action=(
            "Compare with the switch's port; change cable, port or card. A virtual host: ask the provider."
        ),
        to_host=True,
    )


def _conntrack(settings: Settings) -> AlertRule:
    most = settings.host_conntrack_ratio
    return annotated_alert(
        settings,
        "HostConntrackFull",
        f"{metrics.NODE_CONNTRACK}\n/\n({metrics.NODE_CONNTRACK_LIMIT} > 0)\n> {number(most)}",
        "warning",
        f"network {OF_HOST}",
        wait=settings.host_memory_for,
        summary="Host {{ $labels.instance }} can hardly track more connections",
        description=(
            "The table of connections of host {{ $labels.instance }} is {{ $value | humanizePercentage }} "
            f"full; expected at most {number(most * 100)}%. When it is full, new connections are dropped."
        ),
        action="Raise net.netfilter.nf_conntrack_max now; then find who opens so many (conntrack -L).",
        to_host=True,
    )


def _clock_skewed(settings: Settings) -> AlertRule:
    most = number(settings.host_clock_seconds)
    return annotated_alert(
        settings,
        "HostClockSkewed",
        f"abs({metrics.NODE_TIME} - timestamp({metrics.NODE_TIME})) > {most}",
        "warning",
        f"clock {OF_HOST}",
        wait=settings.host_clock_for,
        summary="The clock of host {{ $labels.instance }} is wrong",
        description=(
            "The clock of host {{ $labels.instance }} is {{ $value | humanizeDuration }} away from "
            f"Prometheus'; expected at most {most}s. Tokens are refused, and logs and events are out "
            "of order."
        ),
        action="See chronyc tracking or timedatectl on it; where many hosts are wrong, on Prometheus' host.",
        to_host=True,
    )


def _clock_unsynchronised(settings: Settings) -> AlertRule:
    synchronised = metrics.NODE_CLOCK_SYNCHRONISED
    return annotated_alert(
        settings,
        "HostClockUnsynchronised",
        # Containers and some virtual machines never are.
        f"{synchronised} == 0\nand\nmax_over_time({synchronised}[1d]) == 1",
        "warning",
        f"clock {OF_HOST}",
        wait=settings.host_unsynchronised_for,
        summary="The clock of host {{ $labels.instance }} is no longer set by others",
        description=(
            "The kernel of host {{ $labels.instance }} says {{ $value }} to whether its clock is "
            "synchronised; expected 1, as it was within a day. From now on it drifts."
        ),
        action="Start the service of time (chronyd, systemd-timesyncd), and see that it reaches its servers.",
        to_host=True,
    )


def _rebooted(settings: Settings) -> AlertRule:
    boot = metrics.NODE_BOOT_TIME
    return annotated_alert(
        settings,
        "HostRebooted",
        f"{boot} - min_over_time({boot}[{RECENT}]) > {REBOOT_SECONDS}",
        "info",
        f"reboot {OF_HOST}",
        summary="Host {{ $labels.instance }} has rebooted",
        description=(
            "Host {{ $labels.instance }} started {{ $value | humanizeDuration }} after it had last started; "
            "expected only when somebody reboots it."
        ),
        action="last -x reboot and journalctl -b -1 -e say why; see that all that should run does.",
        to_host=True,
    )
