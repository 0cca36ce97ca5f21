"""Deployments: a version of a service that runs now and did not run before."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup
from specter_alerts.settings import Settings
from specter_core import metrics

# A version counts as new for AGE. It is looked for over GAP before that, not at one instant, so that
# a restart whose scrapes failed for less than GAP is no deployment.
AGE = "5m"
GAP = "2m"


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the recorded versions that are new, and the alert on them."""
    return [RuleGroup("specter_deployments", (_new_versions(), _started(settings)))]


def _new_versions() -> RecordingRule:
    version = f"{metrics.SERVICE}, {metrics.SERVICE_VERSION}"
    info = f'{metrics.TARGET_INFO.name}{{{metrics.SERVICE}!="", {metrics.SERVICE_VERSION}!=""}}'
    before = f"last_over_time({info}[{GAP}] offset {AGE})"
    return RecordingRule(
        metrics.SERVICE_DEPLOYED,
        f"group by ({version}) ({info})\n"
        f"unless on ({version})\n"
        f"group by ({version}) ({before})\n"
        # A service seen for the first time, or back after an outage, has no version to differ from.
        f"and on ({metrics.SERVICE})\n"
        f"group by ({metrics.SERVICE}) ({before})",
    )


def _started(settings: Settings) -> AlertRule:
    before = (
        f'{{{{ with printf "group by ({metrics.SERVICE_VERSION}) (last_over_time({metrics.TARGET_INFO.name}'
        f'{{{metrics.SERVICE}=%q}}[{GAP}] offset {AGE}))" $labels.{metrics.SERVICE} | query }}}}'
        f'{{{{ . | first | label "{metrics.SERVICE_VERSION}" }}}}{{{{ end }}}}'
    )
    return AlertRule(
        "DeploymentStarted",
        f"{metrics.SERVICE_DEPLOYED} > 0",
        "info",
        "deployment",
        annotate(
            settings,
            "DeploymentStarted",
            summary="{{ $labels.service }} now runs version {{ $labels.service_version }}",
            description=(
                "Version {{ $labels.service_version }} of {{ $labels.service }} was first seen within "
                f"the last {AGE} (value {{{{ $value }}}}); before it ran {before}."
            ),
            action="Nothing, unless latency, errors or traffic change now: then this is the first suspect.",
        ),
    )
