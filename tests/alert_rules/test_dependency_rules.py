"""The rules on third parties read what is exposed, by the labels that are there."""

from specter_alerts import promql
from specter_alerts.dependencies import groups
from specter_alerts.promql import kind
from specter_alerts.settings import DEFAULTS
from specter_core import metrics
from specter_exporters.dependencies.blackbox import EXPORTER_JOB, PROBE_JOB
from tests.alert_rules.live import DECLARED

# What a generated target adds to what blackbox_exporter says.
PROBES = {metrics.PROBE_SUCCESS, metrics.PROBE_DURATION, metrics.PROBE_CERTIFICATE_EXPIRY}
OF_TARGET = {metrics.DEPENDENCY, metrics.CRITICALITY}


def test_every_selector_names_a_metric_and_labels_that_are_exposed() -> None:
    for rule in (rule for group in groups(DEFAULTS) for rule in group.alerts):
        selectors = [
            node for node, _ in promql.walk(promql.parse(rule.expr)) if kind(node) == "VectorSelector"
        ]
        assert selectors, rule.alert
        for selector in selectors:
            labels = {matcher.name for matcher in selector.matchers.matchers}
            if selector.name in PROBES:
                assert labels <= OF_TARGET, rule.alert
                assert metrics.DEPENDENCY in labels, f"{rule.alert} reads probes of others"
            elif selector.name == metrics.UP:
                assert labels == {"job"}, rule.alert
            else:
                assert labels <= DECLARED[selector.name], rule.alert


def test_the_jobs_are_those_of_the_generated_scrape_configuration() -> None:
    assert (DEFAULTS.dependency_job, DEFAULTS.dependency_probe_job) == (EXPORTER_JOB, PROBE_JOB)


def test_only_what_is_critical_pages() -> None:
    critical = {
        rule.alert for group in groups(DEFAULTS) for rule in group.alerts if rule.severity == "critical"
    }
    assert critical == {
        "DependencyDownCritical",
        "DependencyCheckFailingCritical",
        "DependencyCredentialInvalidCritical",
    }
