"""Logs: Specter's exporter, and the counters of logging libraries."""

from specter_core.metrics import LOG_LINES, LOG_NEW_TEMPLATES
from specter_detector.presets.model import Preset, PresetQuery, Source

LOGBACK = "logback_events_total"
"""Micrometer's, in services on the JVM."""

ERRORS = '{level=~"(?i)error|critical|fatal|panic|alert|emerg.*"}'

LOGS = Preset(
    "logs",
    "log lines",
    (
        PresetQuery(
            "log_error_rate",
            "Error lines",
            "something fails that no metric counts",
            "lines/s",
            "service",
            tuple(
                Source(f"sum by (service, job) (rate({name}{ERRORS}[5m]))", (name,))
                for name in (LOG_LINES.name, LOGBACK)
            ),
            direction="above_expected",
            min_dev=0.05,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "log_line_rate",
            "Log lines",
            "a service fell silent, or floods its log",
            "lines/s",
            "detail",
            tuple(
                Source(f"sum by (service, job) (rate({name}[5m]))", (name,))
                for name in (LOG_LINES.name, LOGBACK)
            ),
            min_dev=1,
            min_rel_dev=0.7,
        ),
        PresetQuery(
            "log_new_templates",
            "New forms of error messages in 15 minutes",
            "errors that were never seen before, as after a release",
            "templates",
            "service",
            (
                Source(
                    f"sum by (service, job) (increase({LOG_NEW_TEMPLATES.name}[15m]))",
                    (LOG_NEW_TEMPLATES.name,),
                ),
            ),
            direction="above_expected",
            min_dev=2,
        ),
    ),
)
