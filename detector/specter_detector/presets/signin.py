"""Signing in: whether users can, and whether somebody tries who should not."""

from specter_core.metrics import (
    AUTH_ATTEMPTS,
    OUTCOME,
    SERVICE_SIGNIN_FAILURE_RATE,
    SERVICE_SIGNIN_RATE,
    SUCCESS,
)
from specter_detector.presets.http import recorded
from specter_detector.presets.model import RATIO, Preset, PresetQuery, Source, share

ATTEMPTS = AUTH_ATTEMPTS.name
ALL = f"sum by (service, job) (rate({ATTEMPTS}[5m]))"
# Locked accounts and blocked attempts are no successes either.
REFUSED = f'sum by (service, job) (rate({ATTEMPTS}{{{OUTCOME}!="{SUCCESS}"}}[5m]))'
# No failure has been seen yet is a rate of 0, not an unknown one.
NONE_YET = f"({REFUSED} or 0 * {ALL})"

SIGNIN = Preset(
    "signin",
    "attempts to sign in",
    (
        PresetQuery(
            "signin_attempt_rate",
            "Attempts",
            "users cannot reach the form any more, or a machine fills it in",
            "attempts/s",
            "service",
            (recorded(SERVICE_SIGNIN_RATE), Source(ALL, (ATTEMPTS,))),
            min_dev=0.1,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "signin_failure_rate",
            "Failed attempts",
            "credential stuffing or password spraying",
            "attempts/s",
            "service",
            (recorded(SERVICE_SIGNIN_FAILURE_RATE), Source(NONE_YET, (ATTEMPTS,))),
            direction="above_expected",
            min_dev=0.1,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "signin_failure_ratio",
            "Share of attempts that fail",
            "users are locked out: a broken provider, an expired key, a bad release",
            "ratio",
            "service",
            # Not the recorded one: half as many attempts are enough for its threshold, and noise for a score.
            (Source(share(REFUSED, ALL, 0.2), (ATTEMPTS,)),),
            direction="above_expected",
            min_dev=0.2,
            data_range=RATIO,
        ),
    ),
)
