"""Scheduled jobs: Specter's exporter, Kubernetes (kube-state-metrics), Pushgateway.

Runs are counted. The time since the last one would fall from a day to nothing at the moment of a run,
and a job that is two minutes late would be a day off. So this is for jobs that run about once a
day; of one that runs each hour the count falls too slowly. Schedules that are known have alerts of their own.
"""

from specter_core.metrics import JOB_LAST_DURATION, JOB_LAST_SUCCESS
from specter_detector.presets.model import MINUTE, Preset, PresetQuery, Source

CRONJOB_SUCCESS = "kube_cronjob_status_last_successful_time"
PUSHED = "push_time_seconds"


def runs(alias: str, whose: str, by: str, timestamp: str) -> PresetQuery:
    """Return the query for runs of a day by the changes of `timestamp`.

    The window is an hour more than a day: a run may be that late, and still be that day's.
    """
    return PresetQuery(
        alias,
        f"{whose} in 25 hours",
        "the run of the day failed, hangs or did not start",
        "runs",
        "service",
        (Source(f"max by ({by}) (changes({timestamp}[25h]))", (timestamp,)),),
        direction="below_expected",
        min_dev=0.5,
        min_rel_dev=0.6,
    )


JOBS = Preset(
    "jobs",
    "scheduled jobs",
    (
        PresetQuery(
            "job_duration",
            "Duration of a job's newest run",
            "a job takes longer than usual: more data, or something slow",
            "seconds",
            "service",
            (Source(f"max by (service, job_name) ({JOB_LAST_DURATION.name})", (JOB_LAST_DURATION.name,)),),
            direction="above_expected",
            min_dev=MINUTE,
            min_rel_dev=0.5,
        ),
        runs("job_successes", "Successful runs", "service, job_name", JOB_LAST_SUCCESS.name),
        runs("cronjob_successes", "Successful runs of a CronJob", "namespace, cronjob", CRONJOB_SUCCESS),
        runs("pushes", "Pushes of a job to the Pushgateway", "job, exported_job", PUSHED),
    ),
)
