"""Flags of the servers at the versions that docker-compose.yml pins, where they cannot be run."""

import re
import subprocess

from specter_stack.programs import find_program


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# https://prometheus.io/docs/prometheus/latest/command-line/prometheus/, 3.x; agent mode left out.
PROMETHEUS_3 = _words("""
    config.file config.auto-reload-interval auto-gomaxprocs auto-gomemlimit auto-gomemlimit.ratio
    web.listen-address web.config.file web.read-timeout web.max-connections web.max-notifications-subscribers
    web.external-url web.route-prefix web.user-assets web.enable-lifecycle web.enable-admin-api
    web.enable-remote-write-receiver web.remote-write-receiver.accepted-protobuf-messages
    web.enable-otlp-receiver web.console.templates web.console.libraries web.page-title web.cors.origin
    storage.tsdb.path storage.tsdb.retention.time storage.tsdb.retention.size storage.tsdb.no-lockfile
    storage.tsdb.head-chunks-write-queue-size storage.tsdb.delay-compact-file.path
    storage.remote.flush-deadline storage.remote.read-sample-limit storage.remote.read-concurrent-limit
    storage.remote.read-max-bytes-in-frame rules.alert.for-outage-tolerance rules.alert.for-grace-period
    rules.alert.resend-delay rules.max-concurrent-evals alertmanager.notification-queue-capacity
    alertmanager.notification-batch-size alertmanager.drain-notification-queue-on-shutdown
    query.lookback-delta query.timeout query.max-concurrency query.max-samples enable-feature
    log.level log.format
""")
PROMETHEUS_3_FEATURES = _words("""
    exemplar-storage memory-snapshot-on-shutdown promql-per-step-stats promql-experimental-functions
    extra-scrape-metrics created-timestamp-zero-ingestion concurrent-rule-eval delayed-compaction old-ui
    otlp-deltatocumulative promql-duration-expr use-uncached-io promql-extended-range-selectors
""")
# https://prometheus.io/docs/alerting/latest/alertmanager/ and `alertmanager --help`, 0.32.
ALERTMANAGER = _words("""
    config.file storage.path data.retention data.maintenance-interval alerts.gc-interval
    web.listen-address web.config.file web.external-url web.route-prefix web.get-concurrency web.timeout
    cluster.listen-address cluster.advertise-address cluster.peer cluster.peer-timeout
    log.level log.format
""")
NODE = _words("web.listen-address web.config.file web.telemetry-path no-collector.systemd")
BLACKBOX = _words("config.file web.listen-address web.config.file web.external-url")

AT_PINNED_VERSION = {
    "prometheus": PROMETHEUS_3,
    "alertmanager": ALERTMANAGER,
    "node": NODE,
    "blackbox": BLACKBOX,
}
INSTALLED = {
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
    "node": "node_exporter",
    "blackbox": "blackbox_exporter",
}

# https://prometheus.io/docs/prometheus/latest/migration/: what a 2.x configuration may hold and 3.x refuses.
CONFIGURATION_KEYS_REMOVED_IN_3 = frozenset({"scrape_classic_histograms"})
FUNCTIONS_REMOVED_IN_3 = ("holt_winters",)


def installed_flags(service: str) -> frozenset[str]:
    """Return the flags that the installed server of `service` says it knows, without their dashes."""
    program = str(find_program(INSTALLED[service]))
    shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=False, timeout=20)
    # Kingpin writes `--flag=VALUE` and `--switch`, in newer versions `--[no-]switch`, which can be negated.
    found = re.findall(
        r"^\s+(?:-\w, )?--(?:\[no-\])?([\w.-]+)(=?)", shown.stdout + shown.stderr, re.MULTILINE
    )
    switches = {f"no-{name}" for name, value in found if not value}
    return frozenset({name for name, _ in found} | switches)
