"""Alerts on signing in: whether customers can, and whether somebody tries who should not.

Suspicions are the sign-in exporter's, which sees single sources and accounts; here they become alerts. What
it does not judge, whether signing in works at all, is judged on the recorded layer.
"""

from functools import partial

from specter_alerts.annotations import annotated_alert
from specter_alerts.counters import KNOWN, rate_of
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

WINDOW = "5m"
SLOW_WINDOW = "15m"
# Somebody has to look at the account: one that is found at once is no past matter after minutes.
BREACH_WINDOW = "1h"
HOURS = "6h"
BY_SERVICE = metrics.SERVICE


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on signing in and on surges of requests."""
    watched = (_broken, _failing, _breach, _attack, _lockouts, _captcha, _surge, _refused)
    return RuleGroup("specter_signin_alerts", tuple(alert(settings) for alert in watched))


_alert = partial(annotated_alert, board=metrics.DASHBOARD_SIGNIN)


def _enough(settings: Settings) -> str:
    return f"and on ({BY_SERVICE})\n{metrics.SERVICE_SIGNIN_RATE} >= {number(settings.signin_min_rate)}"


def _broken(settings: Settings) -> AlertRule:
    success, share = metrics.SERVICE_SIGNIN_SUCCESS_RATE, settings.signin_success_share
    return _alert(
        settings,
        "SignInsFailing",
        f"{metrics.SERVICE_SIGNIN_FAILURE_RATIO} > {number(settings.signin_broken_ratio)}\n"
        f"{_enough(settings)}\n"
        f"and on ({BY_SERVICE})\n"
        f"{success} < {number(share)} * {metrics.SERVICE_SIGNIN_SUCCESS_USUAL}",
        "critical",
        "signin",
        summary="Customers cannot sign in to {{ $labels.service }}",
        description=(
            "{{ $value | humanizePercentage }} of the attempts to sign in to {{ $labels.service }} failed in "
            f"the last {WINDOW}, and successes are below {number(share * 100)}% of their mean of "
            f"{HOURS}; expected at most {number(settings.signin_failure_ratio * 100)}%. An "
            "attack would leave the successes."
        ),
        action=(
            "Sign in yourself. Then the identity provider, its keys and certificates, the user database, and "
            "the newest deployment."
        ),
        wait=settings.signin_broken_for,
        keep_firing=settings.keep_firing,
    )


def _failing(settings: Settings) -> AlertRule:
    attacked = f"max by ({BY_SERVICE}) ({metrics.AUTH_ATTACK_SUSPECTED.name}) == 1"
    limit = settings.signin_failure_ratio
    return _alert(
        settings,
        "SignInFailureRatioHigh",
        f"{metrics.SERVICE_SIGNIN_FAILURE_RATIO} > {number(limit)}\n"
        f"{_enough(settings)}\n"
        # The failures of an attack are told by SignInAttackSuspected.
        f"unless on ({BY_SERVICE})\n{attacked}",
        "warning",
        "signin",
        summary="{{ $value | humanizePercentage }} of the sign-ins to {{ $labels.service }} fail",
        description=(
            "{{ $value | humanizePercentage }} of the attempts to sign in to {{ $labels.service }} failed in "
            f"the last {WINDOW}, and no attack is suspected; expected at most {number(limit * 100)}%."
        ),
        action=(
            "See on the dashboard which outcome and which class of client fails: one app's release, one "
            "provider, or all?"
        ),
        wait=settings.signin_failing_for,
        keep_firing=settings.keep_firing,
    )


def _breach(settings: Settings) -> AlertRule:
    return _alert(
        settings,
        "SignInBreachSuspected",
        f"{metrics.SERVICE_BREACHES} > 0",
        "critical",
        "breach",
        summary="An account of {{ $labels.service }} may be in a stranger's hands",
        description=(
            "Accounts of {{ $labels.service }} that were signed in to after a run of failures from the same "
            f"source, within {BREACH_WINDOW}: {{{{ $value | printf `%.0f` }}}}; expected 0."
        ),
        action=(
            "List the accounts by `GET /api/v1/suspected-breaches` (read token), end their sessions, and "
            "have their passwords changed."
        ),
    )


def _attack(settings: Settings) -> AlertRule:
    suspected = metrics.AUTH_ATTACK_SUSPECTED.name
    return _alert(
        settings,
        "SignInAttackSuspected",
        f"max by ({BY_SERVICE}, kind) ({suspected}{{{KNOWN}}}) == 1",
        "warning",
        "attack",
        summary="{{ $labels.service }}: {{ $labels.kind | reReplaceAll `_` ` ` }} suspected",
        description=(
            f"Failed sign-ins to {{{{ $labels.service }}}} look like {{{{ $labels.kind }}}} (`{suspected}` "
            "is {{ $value }}); expected 0. It ends five minutes after the failures do."
        ),
        action=(
            "See on the dashboard from which sources and against how many accounts, and block or slow those "
            "sources down."
        ),
        # No `for`: the exporter's suspicion lasts five minutes at least. A restart of it is no end of the
        # attack.
        keep_firing=settings.keep_firing,
    )


def _lockouts(settings: Settings) -> AlertRule:
    now, most = metrics.SERVICE_LOCKOUTS, settings.signin_lockouts
    rise = number(settings.signin_lockouts_rise)
    return _alert(
        settings,
        "SignInLockoutsRising",
        f"{now} > {most}\nunless on ({BY_SERVICE})\n{now} <= {rise} * {metrics.SERVICE_LOCKOUTS_USUAL}",
        "warning",
        "attack",
        summary="{{ $value | printf `%.0f` }} accounts of {{ $labels.service }} were locked",
        description=(
            "{{ $value | printf `%.0f` }} accounts of {{ $labels.service }} were locked within "
            f"{SLOW_WINDOW}; expected at most {most}, or {rise} times the mean of the last day. Their owners "
            "cannot sign in."
        ),
        action=(
            "Is an attack suspected? Then block its sources. Otherwise look for a client that repeats an old "
            "password."
        ),
    )


def _captcha(settings: Settings) -> AlertRule:
    shown = rate_of(BY_SERVICE, metrics.AUTH_CAPTCHA_CHALLENGES, SLOW_WINDOW, function="increase")
    return _alert(
        settings,
        "SignInCaptchaFailing",
        f"{metrics.SERVICE_CAPTCHA_RATIO}\n"
        f"< {number(settings.captcha_share)} * {metrics.SERVICE_CAPTCHA_USUAL}\n"
        f"and on ({BY_SERVICE})\n"
        f"{shown} >= {settings.captcha_least}",
        "warning",
        "signin",
        summary="CAPTCHAs of {{ $labels.service }} are hardly solved any more",
        description=(
            "{{ $value | humanizePercentage }} of the CAPTCHAs of {{ $labels.service }} were solved within "
            f"{SLOW_WINDOW}; expected at least {number(settings.captcha_share * 100)}% of the mean of the "
            "last day."
        ),
        action=(
            "Solve one yourself. If you can, machines are being kept out; if not, the provider or your page "
            "is broken."
        ),
        wait=settings.signin_failing_for,
    )


def _surge(settings: Settings) -> AlertRule:
    suspected = metrics.HTTP_SURGE_SUSPECTED.name
    return _alert(
        settings,
        "RequestSurgeSuspected",
        f"max by ({BY_SERVICE}, kind) ({suspected}{{{KNOWN}}}) == 1",
        "warning",
        "traffic",
        summary="{{ $labels.service }}: {{ $labels.kind | reReplaceAll `_` ` ` }} suspected",
        description=(
            f"A surge of requests to {{{{ $labels.service }}}} looks like a {{{{ $labels.kind }}}} and not "
            f"like customers (`{suspected}` is {{{{ $value }}}}); expected 0."
        ),
        action=(
            "See on the dashboard which sources and which clients it comes from, and limit them at the "
            "proxy; do not scale out for them."
        ),
        keep_firing=settings.keep_firing,
    )


def _refused(settings: Settings) -> AlertRule:
    within = settings.errors_within
    refused = rate_of(f"{BY_SERVICE}, reason", metrics.AUTH_EVENTS_REFUSED, within, function="increase")
    return _alert(
        settings,
        "SignInEventsRefused",
        f"{refused} > 0",
        "warning",
        "alerting",
        summary="Sign-in events of {{ $labels.service }} are refused: {{ $labels.reason }}",
        description=(
            "Batches of sign-in events of {{ $labels.service }} that were refused as {{ $labels.reason }} "
            f"within {within}: {{{{ $value | printf `%.0f` }}}}; expected 0. An attack among them is not "
            "seen."
        ),
        action=(
            "The sender has the API's answer: which field is invalid, which token is wrong, or how long to "
            "wait."
        ),
        wait="5m",
    )
