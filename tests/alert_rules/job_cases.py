"""Promtool cases of scheduled jobs."""

from tests.alert_rules.promtool import Case, Firing

FAMILY = "jobs"
BACKUP = {"service": "shop", "job_name": "backup"}
SHOP = {"service": "shop"}
# Good for ten minutes, bad for ten, good again; a sample every five seconds.
UP_DOWN_UP, DOWN_UP_DOWN = "1x119 0x119 1x240", "0x119 1x119 0x240"


def job(name: str, more: str = "", job_name: str = "backup") -> str:
    """Name a series of a job."""
    return f'specter_job_{name}{{service="shop",job_name="{job_name}"{"," if more else ""}{more}}}'


def of_exporter(name: str, more: str = "") -> str:
    return f'specter_job_{name}{{service="shop"{"," if more else ""}{more}}}'


def delivery(provider: str, outcome: str) -> str:
    return f'specter_delivery_events_total{{service="shop",provider="{provider}",outcome="{outcome}"}}'


def failed(at: str, status: str, success: str) -> Firing:
    return Firing(
        BACKUP,
        "The newest run of backup failed",
        f"The newest run of backup that has ended failed, or never told its end: {at}, exit status "
        f"{status}. Expected: a success after it; the newest: {success}.",
        action="Read the end of its output: GET /api/v1/jobs/backup of the listener of pings, or its own "
        "log. Mend it and run it again.",
    )


RUNS = [
    Case(
        "JobFailed",
        FAMILY,
        "fires from the failure to the next success",
        {
            job("last_success_timestamp_seconds"): "60x239 1200x240",
            job("last_failure_timestamp_seconds"): "30x119 600x360",
            job("exit_status"): "0x119 137x119 0x240",
            job("last_success_timestamp_seconds", job_name="digest"): "60x480",
        },
        {
            "9m": [],
            "12m": [
                failed("1970-01-01 00:10:00 +0000 UTC", "137", "1970-01-01 00:01:00 +0000 UTC"),
            ],
            "21m30s": [],
        },
    ),
    Case(
        "JobFailed",
        FAMILY,
        "fires for a job that has never succeeded",
        {
            job("last_failure_timestamp_seconds"): "_x119 600x119 600x240",
            job("last_success_timestamp_seconds"): "_x239 1200x240",
        },
        {"9m": [], "12m": [failed("1970-01-01 00:10:00 +0000 UTC", "unknown", "unknown")], "21m30s": []},
    ),
    Case(
        "JobRunningLong",
        FAMILY,
        "fires beyond the job's own limit, and ends with the run",
        {
            job("running_since_timestamp_seconds"): "60x239 stale",
            job("max_duration_seconds"): "600x480",
            job("running_since_timestamp_seconds", job_name="dump"): "60x480",
            job("max_duration_seconds", job_name="dump"): "86400x480",
        },
        {
            "11m": [],
            "15m": [
                Firing(
                    BACKUP,
                    "A run of backup takes too long",
                    "A run of backup began 14m 0s ago and has not told its end; expected no more than its "
                    "`max_duration`, 10m 0s.",
                )
            ],
            "21m30s": [],
        },
    ),
]
SCHEDULE = [
    Case(
        "JobUnsuccessful",
        FAMILY,
        "fires at the fourth run that is due, and ends with a success",
        {
            job("runs_due_since_success"): "0x60 3x59 4x119 0x240",
            job("last_success_timestamp_seconds"): "60x480",
        },
        {
            "9m": [],
            "12m": [
                Firing(
                    BACKUP,
                    "backup has not succeeded for 3 scheduled runs",
                    "4 runs of backup have fallen due since one last ended well (1970-01-01 00:01:00 +0000 "
                    "UTC); expected 3 at most. They failed, hang or did not come.",
                )
            ],
            "21m30s": [],
        },
    ),
    Case(
        "JobOverdue",
        FAMILY,
        "fires until a run comes",
        {
            job("overdue"): DOWN_UP_DOWN,
            job("overdue", job_name="digest"): "0x480",
            job("info", 'kind="scheduled",schedule="15 3 * * * Europe/Berlin"'): "1x480",
            job("last_success_timestamp_seconds"): "60x480",
        },
        {
            "9m": [],
            "12m": [
                Firing(
                    BACKUP,
                    "backup did not run",
                    "A scheduled run of backup had not begun when its grace was over, and none has come "
                    "since (1, expected 0). Its schedule: 15 3 * * * Europe/Berlin. Its newest success: "
                    "1970-01-01 00:01:00 +0000 UTC.",
                )
            ],
            "21m30s": [],
        },
    ),
    Case(
        "JobRunsMissed",
        FAMILY,
        "fires when more than three are missed in six hours, and ends when none is any more",
        {job("missed_runs_total"): "2x60 2+1x4 6x480"},
        {
            "1h": [],
            "1h30m": [
                Firing(
                    BACKUP,
                    "backup misses runs",
                    "4.022 scheduled runs of backup were missed in 6h; expected 3 at most. Others may have "
                    "come in between.",
                )
            ],
            "8h30m": [],
        },
        interval="1m",
    ),
    Case(
        "JobSuccessRatioLow",
        FAMILY,
        "fires below 99 % of a hundred runs or more, and ends when they are over",
        {
            job("runs_total", 'outcome="success"'): "0+1x120 120x480",
            job("runs_total", 'outcome="failed"'): "0x100 0+1x4 4x600",
            # Half of its runs fail: of four in a day that is no ratio.
            'specter_job_runs_total{service="coaching",job_name="sync",outcome="success"}': "0 1 2 2x600",
            'specter_job_runs_total{service="coaching",job_name="sync",outcome="failed"}': "0 1 2 2x600",
        },
        {
            "8h": [],
            "11h": [
                Firing(
                    SHOP,
                    "Jobs of shop fail too often",
                    "96.77% of the runs of shop of the last day ended well; expected 99% at least.",
                )
            ],
            "40h": [],
        },
        interval="5m",
    ),
]
WATCH = [
    Case(
        "JobsExporterDown",
        FAMILY,
        "fires for the exporter's job alone, and resolves",
        {
            'up{service="shop",job="jobs",instance="a"}': UP_DOWN_UP,
            'up{service="shop",job="shop",instance="b"}': "0x480",
        },
        {
            "10m50s": [],
            "12m": [
                Firing(
                    {**SHOP, "job": "jobs"},
                    "Jobs of shop are not watched",
                    "1 targets of job jobs do not answer their scrape; expected 0. Nothing is known of their "
                    "jobs, and what these tell is lost unless it is told again.",
                )
            ],
            "20m5s": [],
        },
    ),
    Case(
        "JobPingEndpointDown",
        FAMILY,
        "fires and resolves",
        {of_exporter("ping_endpoint_up"): UP_DOWN_UP},
        {
            "10m50s": [],
            "12m": [
                Firing(
                    SHOP,
                    "Jobs of shop cannot tell that they ran",
                    "The listener of pings does not answer the exporter's own request (0, expected 1). Runs "
                    "that come are not counted, and will be missed.",
                )
            ],
            "20m5s": [],
        },
    ),
    Case(
        "JobStoreFailing",
        FAMILY,
        "fires and resolves",
        {of_exporter("store_up"): UP_DOWN_UP},
        {
            "10m50s": [],
            "12m": [
                Firing(
                    SHOP,
                    "What jobs of shop tell is not kept",
                    "The newest write to the store of the jobs exporter failed (0, expected 1): pings are "
                    "answered with 503, and runs that come are not counted.",
                )
            ],
            "20m5s": [],
        },
    ),
    Case(
        "JobPingsRefused",
        FAMILY,
        "fires for what is refused, not for what is counted or a preview, and resolves",
        {
            of_exporter("pings_total", 'result="not_found"'): "0x119 0+1x24 24x480",
            of_exporter("pings_total", 'result="counted"'): "0+9x600",
            of_exporter("pings_total", 'result="preview"'): "0+9x600",
        },
        {
            "9m": [],
            "15m": [
                Firing(
                    SHOP,
                    "Pings of jobs of shop are refused",
                    "24 pings were refused in 15m; expected 10 at most. Of a job that they come from, "
                    "nothing is known.",
                )
            ],
            "30m": [],
        },
    ),
    Case(
        "DeliveriesFailing",
        FAMILY,
        "fires above a twentieth of what is over, and resolves",
        {
            delivery("ses", "delivered"): "0+1x600",
            delivery("ses", "deferred"): "0+9x600",
            delivery("ses", "bounced"): "0x239 0+1x60 60x300",
            # Of a handful, one is no share.
            delivery("partner", "bounced"): "0 1 2 3 3x600",
        },
        {
            "15m": [],
            "24m": [
                Firing(
                    {**SHOP, "provider": "ses"},
                    "Mails or webhooks by ses do not arrive",
                    "21.05% of what ses was given in 15m bounced, was dropped or complained of; expected 5% "
                    "at most.",
                )
            ],
            "45m": [],
        },
    ),
]
CASES = [*RUNS, *SCHEDULE, *WATCH]
