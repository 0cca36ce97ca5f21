"""Availability: targets that cannot be scraped, probes that fail, services that are gone."""

from specter_alerts.annotations import annotate, annotated_alert
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings
from specter_core import metrics

# How long a service that no target claims any more is still missed.
REMEMBERED = "30m"


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on `up` and `probe_success`."""
    return RuleGroup(
        "specter_availability_alerts",
        (_service_down(settings), _instance_down(settings), _probe_failed(settings), _vanished(settings)),
    )


def exporter_down(
    settings: Settings, name: str, job: str, *, board: str, summary: str, unknown: str, wait: str = "1m"
) -> AlertRule:
    """Return the alert `name` on targets of the exporter `job`, see `_watched`, that are not scraped.

    `unknown` says what is not known meanwhile, `board` is the uid of the dashboard to look at.
    """
    return annotated_alert(
        settings,
        name,
        f'count by ({metrics.SERVICE}, job) ({metrics.UP}{{job="{job}"}} == 0) > 0',
        "warning",
        "watch",
        wait=wait,
        board=board,
        summary=summary,
        description=(
            "{{ $value }} targets of job {{ $labels.job }} do not answer their scrape; expected 0. "
            f"{unknown}"
        ),
        action="See whether the exporter runs and listens: its supervisor's log first.",
    )


def _watched(settings: Settings) -> str:
    """Return the jobs whose targets have alerts of their own."""
    jobs = (settings.postgres_job, settings.sql_job, settings.queues_job, settings.jobs_job)
    return "|".join((settings.detector_job, settings.host_jobs, *jobs))


def _all_down(settings: Settings) -> str:
    # One job of a service: its database exporter being up does not mean that it serves. The probe
    # exporter's own `up` says nothing about the service it probes. A detector, or an exporter of PostgreSQL,
    # SQL checks, queues or jobs, that is down has an alert of its own, which pages nobody. So have hosts.
    others = f"{settings.probe_job}|{_watched(settings)}"
    targets = f'{metrics.UP}{{{metrics.SERVICE}!="", job!~"{others}"}}'
    return f"max by ({metrics.SERVICE}, job) ({targets}) == 0"


def _service_down(settings: Settings) -> AlertRule:
    return AlertRule(
        "ServiceDown",
        _all_down(settings),
        "critical",
        "availability",
        annotate(
            settings,
            "ServiceDown",
            summary="{{ $labels.service }} is down",
            description=(
                "No target of job {{ $labels.job }} of {{ $labels.service }} answers its scrape "
                "(highest `up` is {{ $value }}); expected at least one that does."
            ),
            action="See whether the process runs and listens: its supervisor's log first, then the host.",
        ),
        wait=settings.down_for,
    )


def _instance_down(settings: Settings) -> AlertRule:
    return AlertRule(
        "InstanceDown",
        f'{metrics.UP}{{{metrics.SERVICE}!="", job!~"{_watched(settings)}"}} == 0\n'
        f"unless on ({metrics.SERVICE}, job)\n"
        f"{_all_down(settings)}",
        "warning",
        "availability",
        annotate(
            settings,
            "InstanceDown",
            summary="{{ $labels.instance }} of {{ $labels.service }} is down",
            description=(
                "Target {{ $labels.instance }} (job {{ $labels.job }}) of {{ $labels.service }} does "
                "not answer its scrape (`up` is {{ $value }}); the others of its job do, or it is the "
                "probe's own exporter."
            ),
            action=(
                "Look at that one process and its host; the service itself may still be served by the others."
            ),
        ),
        wait="1m",
    )


def _probe_failed(settings: Settings) -> AlertRule:
    return AlertRule(
        "ProbeFailed",
        f'{metrics.PROBE_SUCCESS}{{{metrics.SERVICE}!=""}} == 0',
        "critical",
        "availability",
        annotate(
            settings,
            "ProbeFailed",
            summary="{{ $labels.service }} cannot be reached from outside",
            description=(
                "The probe of {{ $labels.instance }} ({{ $labels.service }}) fails: `probe_success` is "
                "{{ $value }}, expected 1."
            ),
            action=(
                "Request the probed address yourself from the probe's host; compare with the service's `up`."
            ),
        ),
        wait="30s",
    )


def _vanished(settings: Settings) -> AlertRule:
    targets = f'{metrics.UP}{{{metrics.SERVICE}!=""}}'
    return AlertRule(
        "ServiceVanished",
        f"group by ({metrics.SERVICE}) (last_over_time({targets}[{REMEMBERED}]))\n"
        f"unless on ({metrics.SERVICE})\n"
        f"group by ({metrics.SERVICE}) ({targets})",
        "warning",
        "availability",
        annotate(
            settings,
            "ServiceVanished",
            summary="{{ $labels.service }} has no targets any more",
            description=(
                f"{{{{ $labels.service }}}} was scraped within the last {REMEMBERED} and no target carries "
                "its name now (value {{ $value }}); expected at least one. Nothing watches it. "
                f"This resolves by itself after {REMEMBERED}."
            ),
            action="If it was not retired on purpose, mend service discovery: the target file or its source.",
        ),
        wait="1m",
    )
