"""Promtool cases of the alerts on signing in."""

from tests.alert_rules.promtool import Case, Firing

SHOP = {"service": "shop"}
ATTACK = "specter_auth_attack_suspected"
SURGE = "specter_http_surge_suspected"


def of_shop(name: str, **labels: str) -> str:
    pairs = ",".join(f'{label}="{value}"' for label, value in {**SHOP, **labels}.items())
    return f"{name}{{{pairs}}}"


def attempts(success: str, failed: str) -> dict[str, str]:
    name = "specter_auth_attempts_total"
    return {of_shop(name, outcome="success"): success, of_shop(name, outcome="failed"): failed}


def case(
    alert: str,
    name: str,
    series: dict[str, str],
    expected: dict[str, list[Firing]],
    interval: str = "5s",
) -> Case:
    return Case(alert, "signin", name, series, expected, interval)


# One attempt a second: all succeed, then for ten minutes all fail, then all succeed.
BROKEN = attempts("0+5x119 595x119 600+5x239", "0x119 5+5x119 600x239")
MANY_FAIL = attempts("0+5x660", "0x119 15+15x299 4500x239")

CASES = [
    case(
        "SignInsFailing",
        "fires when nobody can sign in any more and resolves",
        BROKEN,
        {
            "9m": [],
            "13m": [],
            "17m": [
                Firing(
                    SHOP,
                    "Customers cannot sign in to shop",
                    "100% of the attempts to sign in to shop failed in the last 5m, and successes are below "
                    "10% of their mean of 6h; expected at most 50%. An attack would leave the successes.",
                )
            ],
            "27m": [],
        },
    ),
    case(
        "SignInsFailing",
        "is silent while an attack adds failures and customers go on",
        attempts("0+5x600", "0x119 100+100x479"),
        {"9m": [], "20m": [], "30m": []},
    ),
    case(
        "SignInsFailing",
        "is silent where somebody mistypes at night",
        attempts("0+5x119 595x400", "0x119 1 2 3x400"),
        {"17m": [], "20m": []},
    ),
    case(
        "SignInFailureRatioHigh",
        "fires after ten minutes without an attack and resolves",
        MANY_FAIL,
        {
            "20m": [],
            "30m": [
                Firing(
                    SHOP,
                    "75% of the sign-ins to shop fail",
                    "75% of the attempts to sign in to shop failed in the last 5m, and no attack is "
                    "suspected; expected at most 50%.",
                )
            ],
            "45m": [],
        },
    ),
    case(
        "SignInFailureRatioHigh",
        "is silent while an attack is suspected",
        {**MANY_FAIL, of_shop(ATTACK, kind="password_spraying"): "1x660"},
        {"20m": [], "30m": []},
    ),
    case(
        "SignInBreachSuspected",
        "fires with the first account, stays an hour and resolves",
        {of_shop("specter_auth_suspected_breaches_total"): "0x119 1x900"},
        {
            "9m55s": [],
            **{
                time: [
                    Firing(
                        SHOP,
                        "An account of shop may be in a stranger's hands",
                        "Accounts of shop that were signed in to after a run of failures from the same "
                        "source, within 1h: 1; expected 0.",
                    )
                ]
                for time in ("10m", "65m")
            },
            "75m": [],
        },
    ),
    case(
        "SignInAttackSuspected",
        "fires at once for the kind that is suspected and resolves",
        {
            of_shop(ATTACK, kind="credential_stuffing"): "0x11 1x59 0x60",
            of_shop(ATTACK, kind="password_spraying"): "0x131",
        },
        {
            "55s": [],
            "1m": [
                Firing(
                    {**SHOP, "kind": "credential_stuffing"},
                    "shop: credential stuffing suspected",
                    "Failed sign-ins to shop look like credential_stuffing (`specter_auth_attack_suspected` "
                    "is 1); expected 0. It ends five minutes after the failures do.",
                )
            ],
            "8m": [],
        },
    ),
    case(
        "SignInLockoutsRising",
        "fires without a day before and resolves",
        {of_shop("specter_auth_lockouts_total"): "0x119 1+1x19 20x300"},
        {
            "10m30s": [],
            "15m": [
                Firing(
                    SHOP,
                    "20 accounts of shop were locked",
                    "20 accounts of shop were locked within 15m; expected at most 10, or 3 times the mean of "
                    "the last day. Their owners cannot sign in.",
                )
            ],
            "30m": [],
        },
    ),
    case(
        "SignInLockoutsRising",
        "is silent where as many are locked all the time",
        {of_shop("specter_auth_lockouts_total"): "0+1x240"},
        {"2h": [], "4h": []},
        "1m",
    ),
    case(
        "SignInCaptchaFailing",
        "fires when the share of the day falls by half and resolves",
        {
            of_shop("specter_auth_captcha_challenges_total"): "0+12x240",
            of_shop("specter_auth_captcha_successes_total"): "0+10x119 1191+1x59 1260+10x60",
        },
        {
            "1h59m": [],
            "2h30m": [
                Firing(
                    SHOP,
                    "CAPTCHAs of shop are hardly solved any more",
                    "8.333% of the CAPTCHAs of shop were solved within 15m; expected at least 50% of the "
                    "mean of the last day.",
                )
            ],
            "3h20m": [],
        },
        "1m",
    ),
    case(
        "SignInCaptchaFailing",
        "is silent where hardly any is shown",
        {
            of_shop("specter_auth_captcha_challenges_total"): "0+1x240",
            of_shop("specter_auth_captcha_successes_total"): "0+1x119 119x120",
        },
        {"2h30m": []},
        "1m",
    ),
    case(
        "RequestSurgeSuspected",
        "fires at once for the kind that is suspected and resolves",
        {of_shop(SURGE, kind="bot_wave"): "0x11 1x59 0x60", of_shop(SURGE, kind="flood"): "0x131"},
        {
            "55s": [],
            "1m": [
                Firing(
                    {**SHOP, "kind": "bot_wave"},
                    "shop: bot wave suspected",
                    "A surge of requests to shop looks like a bot_wave and not like customers "
                    "(`specter_http_surge_suspected` is 1); expected 0.",
                )
            ],
            "8m": [],
        },
    ),
    case(
        "SignInEventsRefused",
        "fires after five minutes by reason and resolves",
        {
            of_shop("specter_auth_events_refused_total", reason="invalid"): "0x59 1+1x5 6x300",
            of_shop("specter_auth_events_refused_total", reason="unauthorized"): "0x360",
        },
        {
            "9m55s": [],
            "11m": [
                Firing(
                    {**SHOP, "reason": "invalid"},
                    "Sign-in events of shop are refused: invalid",
                    "Batches of sign-in events of shop that were refused as invalid within 10m: 6; expected "
                    "0. An attack among them is not seen.",
                )
            ],
            "16m": [],
        },
    ),
]
