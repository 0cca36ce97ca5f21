"""Scheduled jobs: Specter's exporter, Kubernetes (kube-state-metrics), Pushgateway."""

from specter_core.metrics import JOB_LAST_DURATION, JOB_LAST_SUCCESS
from specter_detector.presets.model import MINUTE, Preset, PresetQuery, Source

CRONJOB_SUCCESS = "kube_cronjob_status_last_successful_time"
PUSHED = "push_time_seconds"


def age(by: str, timestamp: str) -> Source:
    """Return seconds since the newest `timestamp`; one of 0 means never."""
    return Source(f"clamp_min(time() - max by ({by}) ({timestamp} > 0), 0)", (timestamp,))


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
            (
                Source(
                    f"max by (service, job_name) ({JOB_LAST_DURATION.name})",
                    (JOB_LAST_DURATION.name,),
                ),
            ),
            direction="above_expected",
            min_dev=MINUTE,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "job_success_age",
            "Time since a job last succeeded",
            "a run failed, hangs or did not start, seen against the job's own rhythm",
            "seconds",
            "service",
            (age("service, job_name", JOB_LAST_SUCCESS.name),),
            direction="above_expected",
            min_dev=10 * MINUTE,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "cronjob_success_age",
            "Time since a Kubernetes CronJob last succeeded",
            "a run failed, hangs or did not start",
            "seconds",
            "service",
            (age("namespace, cronjob", CRONJOB_SUCCESS),),
            direction="above_expected",
            min_dev=10 * MINUTE,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "push_age",
            "Time since a job last pushed to the Pushgateway",
            "a short-lived job did not run to its end",
            "seconds",
            "detail",
            (age("job, exported_job", PUSHED),),
            direction="above_expected",
            min_dev=10 * MINUTE,
            min_rel_dev=0.5,
        ),
    ),
)
