"""Promtool cases of third parties."""

from tests.alert_rules.promtool import Case, Firing

FAMILY = "dependencies"
PAY = {"dependency": "pay"}
INFO = 'specter_dependency_info{dependency="pay",criticality="%s"}'
PROBE = '{dependency="pay",criticality="%s",instance="https://pay/health",job="dependency_probes"}'
FAILURE = 'specter_dependency_failure{dependency="pay",kind="%s",step="%s",reason="%s"}'
# Good for ten minutes, bad for ten, good again; a sample every five seconds.
BAD = "1x119 0x119 1x240"


def probe(metric: str, criticality: str = "critical") -> str:
    return metric + PROBE % criticality


def down(alert: str, criticality: str, wait: str, silent_until: str, fires_at: str) -> Case:
    labels = {**PAY, "instance": "https://pay/health"}
    text = f"The probe of https://pay/health (pay) has failed for {wait}: `probe_success` is 0, expected 1."
    firing = Firing(labels, f"pay ({criticality}) does not answer as expected", text)
    return Case(
        alert,
        FAMILY,
        "fires and resolves",
        {probe("probe_success", criticality): BAD},
        {"5m": [], silent_until: [], fires_at: [firing], "20m5s": []},
    )


def by_criticality(
    alert: str, metric: str, kind: str, step: str, reason: str, at: str, firing: Firing
) -> Case:
    criticality = "critical" if alert.endswith("Critical") else "important"
    return Case(
        alert,
        FAMILY,
        "fires and resolves",
        {
            f'{metric}{{dependency="pay"}}': BAD,
            INFO % criticality: "1x480",
            FAILURE % (kind, step, reason): "_x119 1x119 stale",
        },
        {"5m": [], at: [firing], "20m5s": []},
    )


def check(alert: str, wait: str, at: str) -> Case:
    text = (
        f"The steps of the check of pay have not succeeded for {wait} (success is 0, expected 1); the newest "
        "run failed at: sign_in status."
    )
    firing = Firing(PAY, "The check of pay fails", text)
    return by_criticality(alert, "specter_dependency_check_success", "steps", "sign_in", "status", at, firing)


def invalid(alert: str) -> Case:
    text = (
        "The authenticated call to pay is refused (valid is 0, expected 1): the credential was revoked, has "
        "expired or lacks a right."
    )
    firing = Firing(PAY, "pay refuses our credential", text)
    return by_criticality(
        alert, "specter_dependency_credential_valid", "credential", "", "auth", "13m", firing
    )


CASES = [
    down("DependencyDownCritical", "critical", "2m", "11m50s", "12m10s"),
    down("DependencyDown", "important", "5m", "14m50s", "15m10s"),
    down("DependencyDownOptional", "optional", "5m", "14m50s", "15m10s"),
    Case(
        "DependencyDown",
        FAMILY,
        "is silent for what is critical, which has an alert of its own",
        {probe("probe_success"): "0x480"},
        {"20m": []},
    ),
    Case(
        "DependencySlow",
        FAMILY,
        "fires above the limit of the list and resolves",
        {
            probe("probe_duration_seconds"): "0.2x119 3x119 0.2x240",
            probe("probe_success"): "1x480",
            'specter_dependency_latency_limit_seconds{dependency="pay"}': "2x480",
        },
        {
            "14m50s": [],
            "15m10s": [
                Firing(
                    PAY,
                    "pay answers slowly",
                    "The probe of pay takes 3s; expected at most its `expect.latency` in the list of "
                    "dependencies.",
                )
            ],
            "20m5s": [],
        },
    ),
    Case(
        "DependencySlow",
        FAMILY,
        "is silent for a probe that fails slowly, and for one without a limit",
        {
            probe("probe_duration_seconds"): "9x480",
            probe("probe_success"): "0x480",
            'specter_dependency_latency_limit_seconds{dependency="pay"}': "2x480",
            'probe_duration_seconds{dependency="mail"}': "9x480",
            'probe_success{dependency="mail"}': "1x480",
        },
        {"30m": []},
    ),
    Case(
        "DependencyCertificateExpiring",
        FAMILY,
        "fires below the days of the list and resolves with the new certificate",
        {
            probe("probe_ssl_earliest_cert_expiry"): "1209700x239 9999999x240",
            'specter_dependency_tls_expiry_warning_seconds{dependency="pay"}': "1209600x480",
        },
        {
            "1m": [],
            "10m": [
                Firing(
                    PAY,
                    "The certificate of pay expires soon",
                    "The certificate that pay presents ends in 13d 23h 51m 40s (below 0: it has ended); "
                    "expected more than its `tls.expiry_warning_days`.",
                )
            ],
            "20m5s": [],
        },
    ),
    check("DependencyCheckFailingCritical", "2m", "12m10s"),
    check("DependencyCheckFailing", "5m", "15m10s"),
    Case(
        "DependencyCheckFailing",
        FAMILY,
        "is silent for what is critical, which has an alert of its own",
        {'specter_dependency_check_success{dependency="pay"}': "0x480", INFO % "critical": "1x480"},
        {"30m": []},
    ),
    invalid("DependencyCredentialInvalidCritical"),
    invalid("DependencyCredentialInvalid"),
    Case(
        "DependencyCredentialInvalid",
        FAMILY,
        "is silent while it is not known",
        {FAILURE % ("credential", "", "timeout"): "1x480", INFO % "important": "1x480"},
        {"30m": []},
    ),
    Case(
        "DependencyCredentialExpiring",
        FAMILY,
        "fires within seven days and resolves with the new one",
        {
            'specter_dependency_credential_expiry_timestamp_seconds{dependency="pay"}': (
                "604900x239 9999999x240"
            )
        },
        {
            "1m": [],
            "10m": [
                Firing(
                    PAY,
                    "The credential for pay expires soon",
                    "The credential for pay ends in 6d 23h 51m 40s (below 0: it has ended); expected more "
                    "than 7 days.",
                )
            ],
            "20m5s": [],
        },
    ),
    Case(
        "DependencyCredentialUnknown",
        FAMILY,
        "fires after an hour of whatever is not a refusal and resolves",
        {
            FAILURE % ("credential", "", "timeout"): "1x400 stale",
            FAILURE % ("credential", "", "connect"): "_x400 1x400 stale",
            'specter_dependency_failure{dependency="mail",kind="credential",step="",reason="auth"}': "1x900",
        },
        {
            "59m": [],
            "61m": [
                Firing(
                    PAY,
                    "Whether pay takes our credential is not known",
                    "The authenticated call to pay has not been answered for 1h (failing: 1, expected 0), "
                    "for another reason than the credential: connect.",
                )
            ],
            "70m": [],
        },
    ),
    Case(
        "DependencyVendorIncident",
        FAMILY,
        "fires with what the vendor says and resolves",
        {
            'specter_dependency_vendor_status{dependency="pay",indicator="none"}': BAD,
            'specter_dependency_vendor_status{dependency="pay",indicator="major"}': "0x119 1x119 0x240",
            'specter_dependency_unresolved_incidents{dependency="pay"}': "0x119 2x119 0x240",
        },
        {
            "9m55s": [],
            "10m10s": [
                Firing(
                    {**PAY, "indicator": "major"},
                    "pay reports: major",
                    "The status page of pay says major (value 1), expected none; there are 2 unresolved "
                    "incidents.",
                )
            ],
            "20m5s": [],
        },
    ),
    Case(
        "DependencyStatusPageUnreadable",
        FAMILY,
        "fires after two hours and resolves",
        {
            'specter_dependency_status_page_up{dependency="pay"}': "0x1500 1x100",
            FAILURE % ("status_page", "status", "tls"): "1x1500 stale",
        },
        {
            "119m": [],
            "121m": [
                Firing(
                    PAY,
                    "The status page of pay cannot be read",
                    "No read of pay's status page has succeeded for 2h (success is 0, expected 1); the "
                    "newest failed at: status tls. An incident there would not be seen.",
                )
            ],
            "126m": [],
        },
    ),
    Case(
        "DependencyChecksStale",
        FAMILY,
        "fires when a run is five minutes late and resolves with the next",
        {
            'specter_dependency_next_run_timestamp_seconds{dependency="pay",kind="steps"}': "60x119 9999x100",
            'specter_dependency_next_run_timestamp_seconds{dependency="pay",kind="credential"}': "9999x220",
        },
        {
            "5m": [],
            "8m": [
                Firing(
                    {**PAY, "kind": "steps"},
                    "pay is no longer checked",
                    "The run of steps of pay is 7m 0s late; expected at most 300s. What is shown of it "
                    "is old.",
                )
            ],
            "10m10s": [],
        },
    ),
    Case(
        "DependencyWatchDown",
        FAMILY,
        "fires for exporter and probes, and resolves",
        {
            'up{job="dependencies",instance="e"}': BAD,
            'up{job="dependency_probes",instance="https://pay/health",dependency="pay"}': BAD,
            'up{job="dependency_probes",instance="https://mail/",dependency="mail"}': BAD,
            'up{job="shop",instance="s"}': "0x480",
        },
        {
            "9m55s": [],
            "12m10s": [
                Firing(
                    {"job": job},
                    f"Third parties are not watched: {job} does not answer",
                    f"{count} targets of job {job} do not answer their scrape; expected 0. Nothing is "
                    "known of what they watch.",
                )
                for job, count in (("dependencies", 1), ("dependency_probes", 2))
            ],
            "20m5s": [],
        },
    ),
]
