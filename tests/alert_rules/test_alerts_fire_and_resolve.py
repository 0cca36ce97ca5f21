"""Every alert against promtool: it fires with the right text, stays silent, resolves."""

from pathlib import Path

import pytest

from tests.alert_rules import (
    anomaly_cases,
    application_cases,
    business_cases,
    database_cases,
    dependency_cases,
    detector_cases,
    detector_health_cases,
    frontend_cases,
    host_cases,
    http_cases,
    integrity_cases,
    job_cases,
    log_cases,
    other_cases,
    queue_cases,
    signin_cases,
)
from tests.alert_rules.promtool import RULES, Case, run_case

CASES = [
    *http_cases.CASES,
    *signin_cases.CASES,
    *log_cases.CASES,
    *application_cases.CASES,
    *business_cases.CASES,
    *anomaly_cases.CASES,
    *dependency_cases.CASES,
    *database_cases.CASES,
    *integrity_cases.CASES,
    *queue_cases.CASES,
    *job_cases.CASES,
    *detector_cases.CASES,
    *detector_health_cases.CASES,
    *frontend_cases.CASES,
    *host_cases.CASES,
    *other_cases.CASES,
]


@pytest.mark.integration
@pytest.mark.parametrize("case", CASES, ids=str)
def test_alert(case: Case, tmp_path: Path) -> None:
    result = run_case(tmp_path, case)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_is_tested_firing() -> None:
    fired = {case.alert for case in CASES if any(case.expected.values())}
    assert fired == set(RULES)


def test_every_alert_but_the_heartbeat_is_tested_silent_before_and_after() -> None:
    both = {
        case.alert
        for case in CASES
        if (fires := [bool(firings) for firings in case.expected.values()])
        and any(fires)
        and not fires[0]
        and not fires[-1]
    }
    assert both == set(RULES) - {"Watchdog"}


def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    silent = next(case for case in CASES if case.alert == "Watchdog")
    result = run_case(tmp_path, Case("Watchdog", "meta", "silent", silent.series, {"0s": []}))
    assert result.returncode != 0
