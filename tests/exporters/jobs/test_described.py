"""What a ping says about its job."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from specter_exporters.jobs.described import Said, as_kept, described, judged_by
from specter_exporters.jobs.model import Job

MADE = Job("report")


@pytest.mark.parametrize(
    ("schedule", "zone", "text", "first"),
    [
        ("30 3 * * *", "Europe/Berlin", "cron 30 3 * * * Europe/Berlin", "2026-06-02T03:30+02:00"),
        ("@daily", "", "cron @daily UTC", "2026-06-02T00:00+00:00"),
        (
            "Mon..Fri 07:00",
            "Europe/Berlin",
            "on_calendar Mon..Fri 07:00 Europe/Berlin",
            "2026-06-01T07:00+02:00",
        ),
        ("*-*-* 04:00 Asia/Tokyo", "", "on_calendar *-*-* 04:00 Asia/Tokyo UTC", "2026-06-02T04:00+09:00"),
        ("every 15m", "", "every 900s", "2026-06-01T06:15+02:00"),
    ],
)
def test_a_schedule_is_cron_or_a_calendar_or_a_period(
    schedule: str, zone: str, text: str, first: str
) -> None:
    job = described(MADE, Said(schedule, zone))
    moment = datetime(2026, 6, 1, 6, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    assert job.schedule is not None
    assert job.schedule_text == text
    assert job.schedule.next_after(moment) == datetime.fromisoformat(first).timestamp()
    assert as_kept(MADE, judged_by(job)) == job, "the same again after a restart"


def test_grace_and_kind_are_said_too_and_what_is_not_said_stays() -> None:
    job = described(MADE, Said(grace="5400", kind="backup"))
    assert (job.grace, job.kind, job.schedule) == (5400.0, "backup", None)
    assert described(job, Said()) == job


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (Said("61 * * * *"), "X-Specter-Schedule: is no cron expression: Bad minute"),
        (Said("whenever"), "X-Specter-Schedule: 'whenever' is no OnCalendar expression"),
        (Said("every now"), "X-Specter-Schedule: expected seconds, or a duration"),
        (Said("every 500ms"), "X-Specter-Schedule: expected a second to a year"),
        (Said("@daily " * 100), "X-Specter-Schedule: expected 500 characters at most"),
        (Said("@daily", "Mars/Olympus"), "X-Specter-Timezone: is no time zone"),
        (Said(grace="nan"), "X-Specter-Grace: expected seconds"),
        (Said(kind="bakcup"), "X-Specter-Kind: expected one of backup, mail_digest"),
    ],
)
def test_what_is_wrong_is_said_with_its_header(said: Said, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{wrong}"):
        described(MADE, said)


@pytest.mark.parametrize("kept", ["", "something else", "cron 0 3 * * * No/Zone grace 300"])
def test_what_the_store_has_and_nobody_can_read_is_no_schedule(kept: str) -> None:
    assert as_kept(MADE, kept) == MADE
