"""Third parties: probes, checks of several steps, certificates, credentials, what vendors say of themselves.

Probes carry the labels `dependency` and `criticality` and no `service`, because they are nobody's own: rules
on services leave them alone. Limits come out of the list of dependencies, by the exporter.
"""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.metrics import Metric

BY = f"by ({metrics.DEPENDENCY})"
ON = f"on ({metrics.DEPENDENCY})"
NAME = f"{{{{ $labels.{metrics.DEPENDENCY} }}}}"
CRITICAL = f'{metrics.DEPENDENCY_INFO.name}{{{metrics.CRITICALITY}="critical"}}'
DAY = 86_400.0


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the alerts on third parties."""
    return [
        RuleGroup("specter_dependency_alerts", (*_probes(settings), *_checks(settings))),
        RuleGroup("specter_dependency_credential_alerts", _credentials(settings)),
        RuleGroup("specter_dependency_vendor_alerts", _vendors(settings)),
        RuleGroup("specter_dependency_watch_alerts", _watch(settings)),
    ]


def _alert(
    settings: Settings,
    alert: str,
    expr: str,
    severity: Severity,
    symptom: str,
    wait: str,
    *,
    summary: str,
    description: str,
    action: str,
    dependency: bool = True,
) -> AlertRule:
    annotations = annotate(
        settings, alert, summary=summary, description=description, action=action, service=False
    )
    annotations["dashboard"] = settings.dependencies_dashboard_url(dependency=dependency)
    return AlertRule(alert, expr, severity, symptom, annotations, wait=wait)


def _newest_failure(kind: str) -> str:
    """Return a template of the step and the reason that a dependency's newest run of `kind` failed at.

    Not labels of the alert, which would begin anew with each change of the reason.
    """
    series = f"{metrics.DEPENDENCY_FAILURE.name}{{{metrics.DEPENDENCY}=%q,kind=%q}}"
    return (
        f'{{{{ with printf "{series}" $labels.{metrics.DEPENDENCY} "{kind}" | query }}}}'
        "{{ with first . }}{{ with .Labels.step }}{{ . }} {{ end }}{{ .Labels.reason }}{{ end }}{{ end }}"
    )


# --- probes ---


def _probes(settings: Settings) -> tuple[AlertRule, ...]:
    return (
        _down(settings, "DependencyDownCritical", "critical", "critical", settings.dependency_critical_for),
        _down(settings, "DependencyDown", "important", "warning", settings.dependency_for),
        _down(settings, "DependencyDownOptional", "optional", "info", settings.dependency_for),
        _slow(settings),
        _certificate(settings),
    )


def _down(settings: Settings, alert: str, criticality: str, severity: Severity, wait: str) -> AlertRule:
    probes = f'{metrics.PROBE_SUCCESS}{{{metrics.DEPENDENCY}!="", {metrics.CRITICALITY}="{criticality}"}}'
    return _alert(
        settings,
        alert,
        f"max by ({metrics.DEPENDENCY}, instance) ({probes}) == 0",
        severity,
        "availability",
        wait,
        summary=f"{NAME} ({criticality}) does not answer as expected",
        description=(
            f"The probe of {{{{ $labels.instance }}}} ({NAME}) has failed for {wait}: `probe_success` is "
            "{{ $value }}, expected 1."
        ),
        action="See what the vendor's status page says, then request the probe with &debug=true.",
    )


def _slow(settings: Settings) -> AlertRule:
    duration = f'{metrics.PROBE_DURATION}{{{metrics.DEPENDENCY}!=""}}'
    return _alert(
        settings,
        "DependencySlow",
        f"max {BY} ({duration})\n> {ON}\nmax {BY} ({metrics.DEPENDENCY_LATENCY_LIMIT.name})\n"
        # One that fails is slow where it times out, which another alert tells.
        f'and {ON}\nmin {BY} ({metrics.PROBE_SUCCESS}{{{metrics.DEPENDENCY}!=""}}) == 1',
        "warning",
        "latency",
        settings.dependency_for,
        summary=f"{NAME} answers slowly",
        description=(
            f"The probe of {NAME} takes {{{{ $value | humanizeDuration }}}}; expected at most its "
            "`expect.latency` in the list of dependencies."
        ),
        action="Compare with the duration of your own calls to it, and lower what waits for it.",
    )


def _certificate(settings: Settings) -> AlertRule:
    expiry = f'{metrics.PROBE_CERTIFICATE_EXPIRY}{{{metrics.DEPENDENCY}!=""}}'
    return _alert(
        settings,
        "DependencyCertificateExpiring",
        f"min {BY} ({expiry}) - time()\n< {ON}\nmax {BY} ({metrics.DEPENDENCY_TLS_WARNING.name})",
        "warning",
        "certificate",
        settings.dependency_for,
        summary=f"The certificate of {NAME} expires soon",
        description=(
            f"The certificate that {NAME} presents ends in {{{{ $value | humanizeDuration }}}} (below 0: it "
            "has ended); expected more than its `tls.expiry_warning_days`."
        ),
        action="Renew it if it is yours; else tell its owner, and see who renews it.",
    )


# --- checks of several steps ---


def _checks(settings: Settings) -> tuple[AlertRule, ...]:
    return (
        _check(settings, "DependencyCheckFailingCritical", "critical", settings.dependency_critical_for),
        _check(settings, "DependencyCheckFailing", "warning", settings.dependency_for),
    )


def _of_severity(metric: Metric, severity: Severity) -> str:
    """Select what is 0, of the critical dependencies or of the others."""
    among = "and" if severity == "critical" else "unless"
    return f"min {BY} ({metric.name}) == 0\n{among} {ON}\n{CRITICAL}"


def _check(settings: Settings, alert: str, severity: Severity, wait: str) -> AlertRule:
    return _alert(
        settings,
        alert,
        _of_severity(metrics.DEPENDENCY_CHECK_SUCCESS, severity),
        severity,
        "check",
        wait,
        summary=f"The check of {NAME} fails",
        description=(
            f"The steps of the check of {NAME} have not succeeded for {wait} (success is {{{{ $value }}}}, "
            f"expected 1); the newest run failed at: {_newest_failure('steps')}."
        ),
        action="Make that step by hand. Reasons auth and status after a rotation: see the secret's file.",
    )


# --- credentials ---


def _credentials(settings: Settings) -> tuple[AlertRule, ...]:
    return (
        _invalid(settings, "DependencyCredentialInvalidCritical", "critical"),
        _invalid(settings, "DependencyCredentialInvalid", "warning"),
        _expiring(settings),
        _unknown(settings),
    )


def _invalid(settings: Settings, alert: str, severity: Severity) -> AlertRule:
    return _alert(
        settings,
        alert,
        _of_severity(metrics.DEPENDENCY_CREDENTIAL_VALID, severity),
        severity,
        "credential",
        settings.dependency_critical_for,
        summary=f"{NAME} refuses our credential",
        description=(
            f"The authenticated call to {NAME} is refused (valid is {{{{ $value }}}}, expected 1): the "
            "credential was revoked, has expired or lacks a right."
        ),
        action="Issue a new credential, put it where the list of dependencies says, and into the services.",
    )


def _expiring(settings: Settings) -> AlertRule:
    days = settings.credential_expiry_warning_days
    return _alert(
        settings,
        "DependencyCredentialExpiring",
        f"min {BY} ({metrics.DEPENDENCY_CREDENTIAL_EXPIRY.name}) - time() < {number(days * DAY)}",
        "warning",
        "credential",
        settings.dependency_for,
        summary=f"The credential for {NAME} expires soon",
        description=(
            f"The credential for {NAME} ends in {{{{ $value | humanizeDuration }}}} (below 0: it has ended); "
            f"expected more than {number(days)} days."
        ),
        action="Issue a new one now, roll it out, and revoke the old one afterwards.",
    )


def _unknown(settings: Settings) -> AlertRule:
    failure = f'{metrics.DEPENDENCY_FAILURE.name}{{kind="credential", reason!="auth"}}'
    return _alert(
        settings,
        "DependencyCredentialUnknown",
        f"max {BY} ({failure}) > 0",
        "info",
        "credential_check",
        settings.credential_unknown_for,
        summary=f"Whether {NAME} takes our credential is not known",
        description=(
            f"The authenticated call to {NAME} has not been answered for {settings.credential_unknown_for} "
            f"(failing: {{{{ $value }}}}, expected 0), for another reason than the credential: "
            f"{_newest_failure('credential')}."
        ),
        action="Make the call by hand; correct its URL or what it expects in the list of dependencies.",
    )


# --- what vendors say ---


def _vendors(settings: Settings) -> tuple[AlertRule, ...]:
    status = f'{metrics.DEPENDENCY_VENDOR_STATUS.name}{{indicator!="none"}}'
    incidents = f"{metrics.DEPENDENCY_UNRESOLVED_INCIDENTS.name}{{{metrics.DEPENDENCY}=%q}}"
    count = (
        f'{{{{ with printf "{incidents}" $labels.{metrics.DEPENDENCY} | query }}}}'
        "{{ . | first | value }}{{ else }}an unknown number of{{ end }}"
    )
    return (
        _alert(
            settings,
            "DependencyVendorIncident",
            f"max by ({metrics.DEPENDENCY}, indicator) ({status}) > 0",
            "info",
            "vendor",
            "",
            summary=f"{NAME} reports: {{{{ $labels.indicator }}}}",
            description=(
                f"The status page of {NAME} says {{{{ $labels.indicator }}}} (value {{{{ $value }}}}), "
                f"expected none; there are {count} unresolved incidents."
            ),
            action="Read the status page. Where alerts of yours fire too, this is the first suspect.",
        ),
        _alert(
            settings,
            "DependencyStatusPageUnreadable",
            f"max {BY} ({metrics.DEPENDENCY_STATUS_PAGE_UP.name}) == 0",
            "info",
            "status_page",
            settings.status_page_unreadable_for,
            summary=f"The status page of {NAME} cannot be read",
            description=(
                f"No read of {NAME}'s status page has succeeded for {settings.status_page_unreadable_for} "
                "(success is {{ $value }}, expected 1); the newest failed at: "
                f"{_newest_failure('status_page')}. An incident there would not be seen."
            ),
            action="Open URL/api/v2/status.json; correct `status_page` if the vendor has moved it.",
        ),
    )


# --- whether anybody watches ---


def _watch(settings: Settings) -> tuple[AlertRule, ...]:
    jobs = f"{settings.dependency_job}|{settings.dependency_probe_job}"
    return (
        _alert(
            settings,
            "DependencyChecksStale",
            f"time() - min by ({metrics.DEPENDENCY}, kind) ({metrics.DEPENDENCY_NEXT_RUN.name}) "
            f"> {number(settings.dependency_stale_seconds)}",
            "warning",
            "watch",
            "1m",
            summary=f"{NAME} is no longer checked",
            description=(
                f"The run of {{{{ $labels.kind }}}} of {NAME} is {{{{ $value | humanizeDuration }}}} late; "
                f"expected at most {number(settings.dependency_stale_seconds)}s. What is shown of it is old."
            ),
            action="Read the exporter's log; raise `concurrency` if many runs are slow, else restart it.",
        ),
        _alert(
            settings,
            "DependencyWatchDown",
            f'count by (job) ({metrics.UP}{{job=~"{jobs}"}} == 0) > 0',
            "warning",
            "watch",
            "2m",
            summary="Third parties are not watched: {{ $labels.job }} does not answer",
            description=(
                "{{ $value }} targets of job {{ $labels.job }} do not answer their scrape; expected 0. "
                "Nothing is known of what they watch."
            ),
            action="See whether the dependency exporter and blackbox_exporter run and listen.",
            dependency=False,
        ),
    )
