"""Backlogs: queues that fall behind, told before what waits is old, and backlogs that take long to drain.

A burst that workers drain by themselves is no backlog: it either ends to grow within minutes, or what it
brought will not have to wait for long at the pace that is seen.
"""

from specter_alerts.annotations import DURATION
from specter_alerts.counters import RECENT
from specter_alerts.model import AlertRule, RecordingRule
from specter_alerts.queue_alert import ON, PACE, WHERE, alert, of_own, of_queue, own_pace, queue_rate
from specter_alerts.settings import Settings, number
from specter_core import metrics

DRAIN_PACE = "10m"
STEPS = 3
GROWTH_SECONDS = 600  # for which `queue_growth` is meant
# Of what hardly moves no time can be told: not more than so many times what the oldest has waited already.
MOST_TIMES = 100
USUAL_QUANTILE = 0.75  # an incident of up to six hours of a day is not usual
USUAL_MINUTES = 180  # of which less is known, one of minutes would be
READY = of_queue(metrics.QUEUE_READY)


def recorded() -> tuple[RecordingRule, ...]:
    """Return how long what is published now will wait, and how long a queue takes until it is empty."""
    age, drained = metrics.QUEUE_AGE, queue_rate(metrics.QUEUE_READY, DRAIN_PACE, function="deriv")
    return (
        # An age that rises by r seconds a second is that of a queue of which the share 1 - r is done, whether
        # or not its system counts what is finished.
        RecordingRule(
            metrics.QUEUE_WAIT, f"{age}\n/\nclamp_min(1 - deriv({age}[{PACE}]), {number(1 / MOST_TIMES)})"
        ),
        # While it grows there is no end to tell.
        RecordingRule(metrics.QUEUE_DRAIN, f"{READY}\n/\n(0 - {drained} > 0)\nor\n({READY} == 0)"),
    )


def usual_age() -> RecordingRule:
    """Return the age that a queue's oldest message is below for three quarters of the last day.

    There is none before three hours of it are known.
    """
    day = f"{metrics.QUEUE_AGE}[1d:1m] offset {RECENT}"
    known = f"count_over_time({day}) >= {USUAL_MINUTES}"
    return RecordingRule(
        metrics.QUEUE_AGE_USUAL, f"quantile_over_time({USUAL_QUANTILE}, {day})\nand\n{known}"
    )


def alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on backlogs."""
    return (_growing(settings), _draining(settings))


def _rises(step: int, least: float) -> list[str]:
    """Return conditions that a queue grew in each of three steps of so many seconds, by more than `least`."""
    ago = ["", *(f"{step * index}s" for index in range(1, STEPS + 1))]
    then = [of_queue(metrics.QUEUE_READY, offset=offset) for offset in ago]
    return [f"{then[index]} - {then[index + 1]} > {number(least)}" for index in range(STEPS)]


def _unless_soon(settings: Settings, most_by_pace: float) -> str:
    """Return what leaves out queues whose messages do not wait for long, however many there are.

    `most_by_pace` is what is long, in seconds, where it is known from what is finished.
    """
    most = number(settings.queue_age_warning_seconds)
    # An age that begins when a message is next says nothing of those behind it.
    published = of_queue(metrics.QUEUE_OLDEST, 'basis="published"')
    # At least so many are finished, so that what is published now does not wait for longer than this.
    finished = queue_rate(metrics.QUEUE_COMPLETED, PACE)
    return (
        f"unless {ON} ({metrics.QUEUE_WAIT} <= {most} and {ON} {published})\n"
        f"unless {ON} {READY} <= {number(most_by_pace)} * {finished}"
    )


def _growing(settings: Settings) -> AlertRule:
    age, wait = metrics.QUEUE_AGE, metrics.QUEUE_WAIT
    most = settings.queue_age_warning_seconds
    usual = f"{number(settings.queue_age_rise)} * {metrics.QUEUE_AGE_USUAL}"
    fast = [
        f"{READY} > {settings.queue_fast_least}",
        f"{wait} > {number(most)}",
        f"({age} > {number(settings.queue_fast_age_seconds)} unless {ON} {age} <= {usual})",
        *_rises(settings.queue_fast_step_seconds, 0.0),
    ]
    slow_step = settings.queue_step_seconds
    slow = [
        f"({READY} > {settings.queue_backlog}\n{_unless_soon(settings, settings.queue_fast_age_seconds)})",
        *_rises(slow_step, settings.queue_growth * slow_step / GROWTH_SECONDS),
    ]
    comes, goes = own_pace(metrics.QUEUE_ARRIVED), own_pace(metrics.QUEUE_COMPLETED)
    return alert(
        settings,
        "QueueBacklogGrowing",
        "\nor\n".join(f"\nand {ON}\n".join(conditions) for conditions in (fast, slow)),
        "warning",
        "backlog",
        wait=settings.queue_growing_for,
        keep_firing=settings.keep_firing,
        summary=f"Queue {WHERE} falls behind",
        description=(
            f"{{{{ $value | humanize }}}} messages wait in {WHERE}, and become more and more. The oldest "
            f"has waited for: {of_own(age, DURATION)}. What is published now will wait for: "
            f"{of_own(wait, DURATION)} at this pace, expected at most {number(most)}s. A minute, {comes} "
            f"come and {goes} are finished (mean of {PACE})."
        ),
        action=(
            "Compare what comes with what is finished. Workers that are slow or fewer: see what they wait "
            "for, then add some. More comes than usual: find who publishes it, and stop it."
        ),
    )


def _draining(settings: Settings) -> AlertRule:
    most = number(settings.queue_drain_seconds)
    return alert(
        settings,
        "QueueDrainSlow",
        f"{metrics.QUEUE_DRAIN} > {most}\nand {ON}\n"
        f"({READY} > {settings.queue_backlog}\n"
        f"{_unless_soon(settings, settings.queue_age_warning_seconds)})",
        "warning",
        "backlog",
        wait=settings.queue_drain_for,
        keep_firing=settings.keep_firing,
        summary=f"Queue {WHERE} takes {{{{ $value | humanizeDuration }}}} to drain",
        description=(
            f"At the pace of the last ten minutes {WHERE} is empty in {{{{ $value | humanizeDuration }}}}; "
            f"expected at most {most}s."
        ),
        action="Add workers, or put what is urgent into a queue of its own.",
    )
