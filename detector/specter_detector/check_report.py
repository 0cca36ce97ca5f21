"""The report of `specter detector check`, for people and for scripts."""

import json

from specter_core.config import locate
from specter_detector.check import Report
from specter_detector.lints.model import Lint
from specter_detector.presets.watch import told


def as_text(report: Report) -> str:
    """Render for people."""
    config = report.config
    counts = (len(config.reader.queries), len(config.models), len(config.schedulers))
    lines = ["{}: valid; queries: {}, models: {}, schedulers: {}".format(report.file, *counts)]
    for alias, answer in report.resolved.items():
        lines.append(f"  {alias}: {answer.error or f'{answer.series} series'}")
    lines += [f"  {line}" for line in told(list(report.presets)).values()]
    if report.writer is not None:
        lines.append(f"  writer: {report.writer}")
    if report.unreachable is not None:
        lines.append(f"  {report.unreachable}")
    lines += [_lint_text(report, lint) for lint in report.lints]
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """Render for scripts: one line."""
    return json.dumps(
        {
            "ok": report.ok,
            "queries": list(report.config.reader.queries),
            "models": list(report.config.models),
            "schedulers": list(report.config.schedulers),
            "resolved": {
                alias: {"series": answer.series, "error": answer.error}
                for alias, answer in report.resolved.items()
            },
            "presets": [
                {
                    "preset": decision.preset,
                    "query": decision.alias,
                    "on": decision.chosen is not None,
                    "series": decision.chosen.cost.series if decision.chosen else None,
                    "seconds": round(decision.chosen.cost.seconds, 4) if decision.chosen else None,
                    "reason": decision.reason,
                }
                for decision in report.presets
            ],
            "unreachable": report.unreachable,
            "writer": report.writer,
            "lints": [_lint_object(report, lint) for lint in report.lints],
        }
    )


def _lint_text(report: Report, lint: Lint) -> str:
    line, path = _place(report, lint)
    where = report.file if line is None else f"{report.file}:{line}"
    return f"{where}: {path + ': ' if path else ''}{lint.message}; {lint.advice} [{lint.code}]"


def _lint_object(report: Report, lint: Lint) -> dict[str, object]:
    line, path = _place(report, lint)
    return {
        "code": lint.code,
        "file": report.file if report.text else None,
        "line": line,
        "path": path,
        "message": lint.message,
        "advice": lint.advice,
    }


def _place(report: Report, lint: Lint) -> tuple[int | None, str]:
    """Return line and dotted path of `lint`."""
    if report.text and lint.loc:
        return locate(report.text, lint.loc)
    return None, ".".join(str(part) for part in lint.loc)
