"""Business events: registrations, payments, check-ins and whatever else the catalogue names."""

from specter_core.metrics import BUSINESS_EVENTS, FAILED, OUTCOME
from specter_detector.presets.model import RATIO, Preset, PresetQuery, Source, share

EVENTS = BUSINESS_EVENTS.name
# What people do for a reason is rarer than requests: a share of it needs a quarter of an hour. A rate does
# not: over a window longer than the step it is no count any more, and a drop would be lost in the noise.
ALL = f"sum by (service, event) (rate({EVENTS}[15m]))"
NOT_DONE = f'sum by (service, event) (rate({EVENTS}{{{OUTCOME}="{FAILED}"}}[15m]))'

BUSINESS = Preset(
    "business",
    "what users come for",
    (
        PresetQuery(
            "business_event_rate",
            "Events by outcome",
            "users stop doing what they come for, although nothing fails",
            "events/s",
            "service",
            (Source(f"sum by (service, event, {OUTCOME}) (rate({EVENTS}[5m]))", (EVENTS,)),),
            min_dev=0.01,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "business_failure_ratio",
            "Share of events that failed",
            "payments are declined, mails bounce, quests break",
            "ratio",
            "service",
            (Source(share(NOT_DONE, ALL, 0.05), (EVENTS,)),),
            direction="above_expected",
            min_dev=0.15,
            data_range=RATIO,
        ),
    ),
)
