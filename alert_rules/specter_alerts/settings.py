"""Every threshold, duration and link of the rules: change it here, run `specter alerts generate`."""

from dataclasses import dataclass

from specter_core import metrics
from specter_core.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Settings:
    """What the rule families are generated from.

    Ratios are 0 to 1, durations named `*_seconds` are seconds, rates are
    requests a second, and fields typed `str` are PromQL durations.
    """

    # Below it a ratio or a quantile is a handful of requests, and one bad request would page.
    min_request_rate: float = 0.1

    error_ratio_critical: float = 0.05
    error_ratio_warning: float = 0.01
    latency_critical_seconds: float = 5.0
    latency_warning_seconds: float = 2.0
    critical_for: str = "1m"
    warning_for: str = "2m"
    down_for: str = "15s"
    keep_firing: str = "1m"

    # Attempts to sign in a second: below it a ratio is a handful of people.
    signin_min_rate: float = 0.1
    signin_failure_ratio: float = 0.5
    # Nearly everybody fails, and successes are a tenth of their mean of six hours: an attack adds failures
    # and leaves the successes. A night of few customers leaves more than a tenth of the evening's.
    signin_broken_ratio: float = 0.8
    signin_success_share: float = 0.1
    signin_broken_for: str = "1m"
    signin_failing_for: str = "10m"
    signin_lockouts: int = 10
    signin_lockouts_rise: float = 3.0
    # Of so many CAPTCHAs in 15 minutes, below this share of the day's own success ratio.
    captcha_least: int = 20
    captcha_share: float = 0.5

    # A form of error that is as young as this, and comes so many times a second, is the newest release's.
    log_new_error_age_seconds: float = 1800.0
    log_new_error_rate: float = 0.1
    log_new_error_for: str = "2m"
    # Lines a second, and how many times the mean of the last day: what a service always says is no news.
    log_error_rate: float = 0.2
    log_error_rise: float = 5.0
    slow_query_rate: float = 0.1
    slow_query_rise: float = 3.0
    log_rise_for: str = "5m"
    # Ten minutes each: of a day's 144, those in which a log that writes round the clock wrote.
    log_regular_windows: int = 130
    log_silent_within: str = "15m"
    log_unreadable_for: str = "5m"
    log_backlog_bytes: float = 2**20
    log_malformed_ratio: float = 0.05
    # Of a request a second that a cache may answer, below this share of the hit ratio's mean of the last day.
    cdn_min_rate: float = 1.0
    cdn_hit_share: float = 0.8

    anomaly_score: float = 1.0
    # A level that stays scores .56 after some minutes, half of that where it has gone half of the way back.
    # After an hour it is the level, or something that another alert has to tell.
    anomaly_lasting_score: float = 0.4
    anomaly_lasting: str = "1h"
    # Two ticks of the detector (15 s each): one odd tick stays silent, a minute to the notification is kept.
    anomaly_for: str = "30s"
    # An older score is no score. At least two ticks, so that a late one opens no gap; not above
    # `anomaly_for`, so that a detector's last score alone never fires.
    anomaly_fresh_seconds: float = 30.0
    # Two windows of the recorded series (1 minute each): neighbouring scores share their window, so a dip
    # under the edge lasts about one, and only a second one says that it is over.
    anomaly_keep_firing: str = "2m"

    scores_stale_seconds: float = metrics.SCORES_STALE_SECONDS
    # Queries whose series may go without a fault: there is no quantile without requests.
    quiet_queries: tuple[str, ...] = (
        "latency_p95",
        "route_latency_p95",
        "latency_p99",
        "client_latency_p95",
        *("frontend_lcp", "frontend_inp", "frontend_cls", "frontend_fcp", "frontend_ttfb"),
    )

    # Two and three `fit_every` of an hour: one failed fit between two good ones stays silent.
    fit_ok_within: str = "2h"
    # A query that is new: too little history for its first fits, which are an hour apart.
    warm_up_within: str = "3h"
    fit_errors_within: str = "3h"
    # Three `fit_every` of an hour: who fits all queries one after the other is late by one, not by two.
    fit_late_seconds: float = 10_800.0

    # One try in ten: less is a network's usual hiccup. That nothing gets through is told by the scores' age.
    failed_ratio: float = 0.1
    # Counters that should not move are looked at this long: forty ticks of 15 s.
    errors_within: str = "10m"
    # The loop goes round every five seconds. A tick may wait for slow queries, and the first one after an
    # outage makes up for an hour of ticks; neither takes this long.
    scheduler_silent_seconds: float = 300.0
    # What 100,000 series need. A detector of fewer that needs it leaks or watches more than it was meant to.
    detector_memory_bytes: float = 2 * 2**30
    # Ticks are worked off by one thread: where it has no rest, they come late.
    detector_cpu_cores: float = 0.9
    # An upgrade and a repair of it are two.
    restarts_within: str = "1h"
    restarts_allowed: int = 2

    # A quantile of fewer views says more of them than of the page.
    min_views: int = 30
    # Browsers that send nothing while a service has so many requests a second have lost the way.
    beacon_min_request_rate: float = 1.0
    beacon_refused_ratio: float = 0.5
    # A probe or a run fails now and then by itself: two in a row of what is critical, five of the rest.
    dependency_critical_for: str = "2m"
    dependency_for: str = "5m"
    # A run takes at most its time-outs, a minute for each of a few steps.
    dependency_stale_seconds: float = 300.0
    credential_expiry_warning_days: float = 7.0
    credential_unknown_for: str = "1h"
    status_page_unreadable_for: str = "2h"
    # The jobs of the generated scrape configuration.
    dependency_job: str = "dependencies"
    dependency_probe_job: str = "dependency_probes"
    # PostgreSQL. The job of its exporter, whose being down does not say that the server is.
    postgres_job: str = "postgres"
    pg_down_for: str = "1m"
    pg_collector_failing_for: str = "30m"
    # Of the connections that ordinary roles can have.
    pg_connections_critical: float = 0.95
    pg_connections_warning: float = 0.8
    # A leak or a pool that grows: rising for three minutes, and full within so many minutes at that pace.
    pg_connections_rising: float = 0.4
    pg_connections_full_within_minutes: int = 15
    # Leaked connections become more, and so do all: an evening at which pools rest has the first alone.
    pg_leak_least: int = 10
    pg_leak_step_minutes: int = 20
    pg_leak_keep_firing: str = "30m"
    pg_idle_in_transaction_seconds: float = 300.0
    # A nightly dump of a large database is one transaction.
    pg_transaction_seconds: float = 10_800.0
    pg_lock_wait_seconds: float = 60.0
    # A queue that comes and goes: who waits gives up, and tries again.
    pg_blocked_sessions: float = 10.0
    pg_blocked_by_one: float = 1.0
    pg_blocker_seconds: float = 60.0
    # Seconds a call and share of one core, from which on a statement that is slower than usual is told.
    pg_statement_seconds: float = 0.1
    pg_statement_share: float = 0.25
    pg_statement_window: str = "3m"
    # A statement whose plan changed, by how much slower it is, and from which share of one core on.
    pg_plan_within: str = "1h"
    pg_plan_slower: float = 2.0
    pg_plan_share: float = 0.02
    # A nightly backup that takes two hours.
    pg_backup_seconds: float = 93_600.0
    pg_backup_shrunk: float = 0.5
    pg_backup_sizes_within: str = "8d"
    pg_backup_verified_within: str = "1d"
    pg_backup_verified_seconds: float = 35 * 86_400.0
    pgbouncer_wait_seconds: float = 1.0
    pgbouncer_clients_share: float = 0.85
    # A deadlock now and then is retried and no news.
    pg_deadlocks: int = 4
    # A standby without a receiver is one that reads an archive, unless it had one within so long.
    pg_receiver_within: str = "3d"
    # A query on the standby may hold replay up for 30 s by default (max_standby_streaming_delay).
    pg_replay_lag_seconds: float = 60.0
    pg_replay_lag_for: str = "2m"
    pg_standby_within: str = "1h"
    pg_replication_for: str = "5m"
    pg_slot_inactive_bytes: float = 2**30
    pg_slot_bytes: float = 5 * 2**30
    pg_archive_failing_for: str = "15m"
    # Autovacuum freezes at 200 million by default, and does nothing else from 1.6 billion on.
    pg_transaction_age_warning: float = 1e9
    pg_transaction_age_critical: float = 1.8e9
    pg_sequence_warning: float = 0.8
    pg_sequence_critical: float = 0.95
    # One that is being built concurrently is invalid until it is done.
    pg_index_invalid_for: str = "3h"

    sql_job: str = "sql"
    sql_down_for: str = "2m"
    # Of a check each minute, five runs; of one each hour, the first that fails.
    sql_failing_for: str = "5m"
    sql_stale_for: str = "1m"
    # A run that fails between two that find violations ends no alert at once.
    sql_keep_firing: str = "2m"
    # Queues. The job of their exporter, whose being down does not say that a broker is.
    queues_job: str = "queues"
    broker_down_for: str = "1m"
    queue_collector_failing_for: str = "30m"
    # A queue falls behind that is seen to grow in each of three steps, so for more than two of them. Of one
    # whose age is known: steps of 50 s, as a release stops workers for up to two minutes; so many messages,
    # of which the oldest waits for over a minute and twice as long as usual, and the next one for longer than
    # QueueMessageOld allows. Of any: steps of 140 s, at a pace of so many in ten minutes, to over a backlog.
    queue_fast_step_seconds: int = 50
    queue_fast_least: int = 30
    queue_fast_age_seconds: float = 60.0
    queue_age_rise: float = 2.0
    queue_step_seconds: int = 140
    queue_growth: int = 50
    queue_growing_for: str = "30s"
    queue_backlog: int = 100
    queue_drain_seconds: float = 3600.0
    queue_drain_for: str = "15m"
    queue_age_warning_seconds: float = 600.0
    queue_age_critical_seconds: float = 3600.0
    # A release restarts workers in less.
    queue_unserved_for: str = "2m"
    queue_dead_letters: int = 1
    # Of attempts in a quarter of an hour, and so many of them: one that fails is no news.
    queue_failure_ratio: float = 0.1
    queue_retry_ratio: float = 0.3
    queue_least_failures: int = 5
    queue_ratio_for: str = "5m"
    # A queue that was known in this time and is not told now, while its broker answers.
    queue_remembered: str = "6h"
    queue_unknown_for: str = "10m"
    worker_lost_for: str = "15s"
    workers_busy_for: str = "10m"
    # Caches: lookups a second below which a ratio says little, and the share of the last day's ratio.
    cache_min_lookups: float = 1.0
    cache_hit_share: float = 0.8
    # Keys a second, and how many times the mean of the last day: a full cache always deletes some.
    cache_eviction_rate: float = 1.0
    cache_eviction_rise: float = 3.0
    cache_memory_ratio: float = 0.9
    cache_for: str = "10m"

    # Scheduled jobs. The job of their exporter, whose being down does not say that one of them is.
    jobs_job: str = "jobs"
    jobs_down_for: str = "1m"
    # Scheduled runs without a success: JobFailed and JobOverdue tell of each; beyond so many, it pages.
    job_unsuccessful_runs: int = 3
    # Runs that are missed while others come: the scheduler, or the job before it, is too slow.
    job_missed_runs: int = 3
    job_missed_within: str = "6h"
    job_success_ratio: float = 0.99
    # Of fewer runs in a day, one that failed is more than a hundredth.
    job_least_runs: int = 100
    job_refused_least: int = 10
    job_refused_within: str = "15m"
    delivery_failed_ratio: float = 0.05
    delivery_least: int = 20
    delivery_within: str = "15m"

    # Slots that are taken on average over five minutes: the next burst has to wait.
    slots_used_ratio: float = 0.9
    queue_seconds: float = 0.5
    # A quantile of time: an event loop that one look in twenty finds this late answers nobody meanwhile.
    loop_lag_seconds: float = 0.1
    saturated_for: str = "5m"
    # A class counts as rising from one exception in 20 s on, if that is three times its usual rate.
    exception_rate: float = 0.05
    rising_factor: float = 3.0
    # What is usual: the average of so long, up to the time before now that is looked at.
    usual_over: str = "6h"
    usual_until: str = "10m"
    call_error_ratio: float = 0.05
    # A server is slow above this, if it also takes three times as long as usual: a language model is
    # never fast, and that is no news.
    call_seconds: float = 1.0
    quota_left_ratio: float = 0.1
    check_failed_for: str = "1m"
    # A leak grows step after step. A cache that fills, or one large request, makes one step or two.
    leak_steps: tuple[str, ...] = ("5m", "1h")
    leak_growth: float = 1.1
    leak_bytes: float = 64 * 2**20
    # A fast leak: steps of so many bytes each, of which the newest is this share of their mean at least, and
    # so many times the memory that is usual. A restart that warms up goes no further than to the usual.
    leak_fast_step: str = "40s"
    leak_fast_bytes: float = 10 * 2**20
    leak_fast_steady: float = 0.75
    leak_fast_factor: float = 1.5
    # What is usual is known of a process that was restarted, or of a service as old as this.
    leak_fast_known_seconds: float = 900.0

    # Hosts. Processes that run or want to, for each CPU, while hardly any time is left: builds and imports
    # make it two for a while. Where the kernel tells, some process must also have waited half of the time.
    host_load_per_cpu: float = 3.0
    host_cpu_used_ratio: float = 0.9
    host_cpu_pressure: float = 0.5
    host_saturated_for: str = "15m"
    host_memory_ratio: float = 0.05
    # Share of time in which nothing went on for want of memory; pages a second, both in and out, without it.
    host_memory_pressure: float = 0.1
    host_swap_pages: float = 1000.0
    host_memory_for: str = "5m"
    # Full is a share and a size: a twentieth of a large disk is plenty.
    host_disk_ratio: float = 0.05
    host_disk_bytes: float = 5 * 2**30
    host_disk_for: str = "5m"
    # A disk fills up within a day at the pace of six hours, three of which there must be, and little is left.
    host_disk_soon_ratio: float = 0.25
    host_disk_pace: str = "6h"
    host_disk_known: str = "3h"
    host_disk_soon_seconds: float = 86_400.0
    host_disk_soon_for: str = "30m"
    host_inodes_ratio: float = 0.05
    # What was mounted read-only all day is meant to be.
    host_read_only_within: str = "1d"
    # Requests that wait at a disk, on average, while it is never idle.
    host_disk_queue: float = 10.0
    host_disk_busy_ratio: float = 0.95
    host_network_error_ratio: float = 0.01
    host_network_for: str = "10m"
    host_conntrack_ratio: float = 0.8
    # Beyond what a scrape takes: the host's time is read within it.
    host_clock_seconds: float = 2.0
    host_clock_for: str = "10m"
    host_unsynchronised_for: str = "30m"
    host_down_for: str = "1m"
    host_exporter_down_for: str = "5m"
    unit_failed_for: str = "2m"
    # Restarts by systemd or PM2 within a quarter of an hour: releases and repairs are fewer.
    supervisor_restarts: int = 3
    supervisor_restarts_within: str = "15m"
    # A release takes a group away for less.
    group_absent_for: str = "2m"
    group_remembered: str = "1h"
    group_files_ratio: float = 0.8
    group_leak_step: str = "1h"
    # What they hold is data, which grows.
    group_data_stores: str = "postgres|redis|rabbitmq|prometheus"
    pm2_errored_for: str = "1m"

    # Events that the shipped rules take as critical, and the funnels. None: the shipped catalogue.
    catalogue: Catalogue | None = None
    # Below the objective is a warning. Below nine tenths of it, a critical event pages.
    business_critical_share: float = 0.9
    # One card that is declined is no news. Failures must be this many, and more than what is promised by
    # so many standard deviations: five are chance once in weeks, at 50 events in five minutes.
    business_least_failures: float = 5.0
    business_warning_deviations: float = 4.0
    business_critical_deviations: float = 5.0
    business_warning_for: str = "5m"
    business_critical_for: str = "1m"
    # Between two payments at night lie minutes: one that works does not end the alert at once.
    business_keep_firing: str = "5m"
    # An event stops if it comes less than a tenth as often as a week and a day ago at this time, and it
    # came often enough then: of 20 expected, one or none comes by chance once in ten million times.
    stopped_share: float = 0.1
    stopped_least: float = 20.0
    stopped_for: str = "5m"
    # A step of a funnel loses users if half as many as usual come through it.
    funnel_share: float = 0.5
    funnel_least: float = 30.0
    funnel_for: str = "30m"
    refused_least: float = 10.0
    refused_within: str = "15m"

    detector_job: str = "detector"
    probe_job: str = "blackbox"
    # Of node_exporter, process-exporter and PM2's module: a host that is down has an alert of its own.
    host_jobs: str = "node|process|pm2"

    runbook_base: str = "https://github.com/specter-observability/specter/blob/main/alert_rules/runbooks"
    dashboard_base: str = "http://localhost:3000"

    def runbook_url(self, alert: str) -> str:
        """Return where the runbook of `alert` is read."""
        return f"{self.runbook_base}/{alert}.md"

    def dashboard_url(
        self, *, service: bool, board: str = metrics.DASHBOARD_MAIN_STATUS, of: str = ""
    ) -> str:
        """Return the link to the dashboard of this uid, for the alert's own service where it has one.

        `of` is a label that says which of a service's the alert is about, and the dashboard's variable of
        that name.
        """
        url = f"{self.dashboard_base}/d/{board}/{board.removeprefix('specter-')}"
        labels = [*([metrics.SERVICE] if service else []), *([of] if of else [])]
        chosen = "&".join(f"var-{label}={{{{ $labels.{label} | urlquery }}}}" for label in labels)
        return f"{url}?{chosen}" if chosen else url

    def dependencies_dashboard_url(self, *, dependency: bool) -> str:
        """Return the link to Third parties, for the alert's own dependency where it has one."""
        url = f"{self.dashboard_base}/d/{metrics.DASHBOARD_DEPENDENCIES}/third-parties"
        return f"{url}?var-dependency={{{{ $labels.dependency | urlquery }}}}" if dependency else url

    def detector_dashboard_url(self) -> str:
        """Return the link to the dashboard of the alert's detector, of all where it names none."""
        return self._of_instance(metrics.DASHBOARD_DETECTOR)

    def hosts_dashboard_url(self) -> str:
        """Return the link to the dashboard of the alert's host, of all where it names none."""
        return self._of_instance(metrics.DASHBOARD_HOSTS)

    def _of_instance(self, board: str) -> str:
        url = f"{self.dashboard_base}/d/{board}/{board.removeprefix('specter-')}"
        return f"{url}{{{{ with $labels.instance }}}}?var-instance={{{{ . | urlquery }}}}{{{{ end }}}}"


DEFAULTS = Settings()


def number(value: float) -> str:
    """Write `value` as PromQL without a binary rounding tail: 0.05, 5, 120."""
    return format(value, ".12g")
