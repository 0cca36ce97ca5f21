"""What is kept of jobs, for people who look for the reason of a failure: `GET /api/v1/jobs[/<name>]`."""

from typing import TYPE_CHECKING, Any

from specter_exporters.answers import Answer, as_json
from specter_exporters.jobs.book import Book, Entry
from specter_exporters.jobs.texts import text

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PREFIX = "/api/v1/jobs"


class Reading:
    """Answers what is known of jobs. URLs of pings are secrets, and in no answer.

    Args:
        book: the jobs.
    """

    def __init__(self, book: Book) -> None:
        self._book = book

    def answer(self, path: str, environ: "WSGIEnvironment") -> Answer:
        """Serve a request of somebody who may read.

        Raises:
            StoreError: the events cannot be read.
        """
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return text(405, "method not allowed", ("Allow", "GET, HEAD"))
        name = path.removeprefix(PREFIX).removeprefix("/")
        if not name:
            return Answer(200, as_json({"jobs": [_job(each) for each in self._book.entries()]}))
        entry = self._book.by_name(name)
        if entry is None:
            return text(404, "not found")
        events = [
            {
                "number": each.number,
                "at": each.at,
                "event": each.kind,
                "run": each.run,
                "exit_status": each.exit_status,
                "output": each.output,
            }
            for each in self._book.events(name)
        ]
        return Answer(200, as_json({**_job(entry), "events": events}))


def _job(entry: Entry) -> dict[str, Any]:
    job, state = entry.job, entry.state
    return {
        "name": job.name,
        "kind": job.kind,
        "schedule": job.schedule_text,
        "grace": job.grace,
        "max_duration": job.max_duration,
        "next_expected": state.expected,
        "overdue": state.overdue if job.schedule is not None else None,
        "missed_runs": state.missed,
        "runs": {"success": state.succeeded, "failed": state.failed, "lost": state.lost},
        "running": len(state.running),
        "last_start": state.last_start,
        "last_success": state.last_success,
        "last_failure": state.last_failure,
        "last_duration": state.last_duration,
        "exit_status": state.exit_status,
    }
