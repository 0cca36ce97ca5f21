"""What the exporter of jobs would expose, for the dashboards' queries."""


def _of(job: str, name: str, labels: str = "") -> str:
    return f'specter_job_{name}{{job_name="{job}"{"," if labels else ""}{labels}}}'


GAUGES = {
    _of("backup", "info", 'kind="backup",schedule="cron 30 2 * * * UTC"'): 1,
    _of("digest", "info", 'kind="mail_digest",schedule="every 900s"'): 1,
    _of("digest", "last_success_timestamp_seconds"): 2000,
    _of("digest", "last_failure_timestamp_seconds"): 1000,
    _of("backup", "last_success_timestamp_seconds"): 1000,
    _of("backup", "last_failure_timestamp_seconds"): 2000,
    _of("never", "last_failure_timestamp_seconds"): 2000,
    _of("backup", "overdue"): 1,
    _of("digest", "overdue"): 0,
    _of("backup", "runs_due_since_success"): 2,
    _of("backup", "max_duration_seconds"): 60,
    _of("backup", "last_duration_seconds"): 7,
    _of("backup", "exit_status"): 3,
    _of("backup", "running"): 1,
    _of("backup", "output_size_bytes"): 100,
    _of("backup", "attempts"): 2,
    "service:specter_job_runs_success:ratio_increase1d": 0.98,
    "specter_job_ping_endpoint_up": 1,
    "specter_job_store_up": 1,
}
COUNTERS = (
    _of("backup", "runs_total", 'outcome="success"'),
    _of("backup", "missed_runs_total"),
    _of("backup", "duration_seconds_sum"),
    _of("backup", "duration_seconds_count"),
    'specter_job_pings_total{result="counted"}',
    "specter_job_commit_duration_seconds_sum",
    "specter_job_commit_duration_seconds_count",
    'specter_delivery_events_total{provider="ses",outcome="delivered"}',
    'specter_delivery_events_total{provider="ses",outcome="bounced"}',
)
TIMES = (_of("backup", "running_since_timestamp_seconds"), _of("backup", "next_expected_timestamp_seconds"))
