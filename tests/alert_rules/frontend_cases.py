"""Promtool cases of the frontend family: web vitals and the beacon."""

from tests.alert_rules.promtool import Case, Firing

PAGE = 'service="shop",page="/product/{id}",device="mobile"'
LABELS = {"service": "shop", "page": "/product/{id}", "device": "mobile"}
TAKEN = 'specter_beacon_taken_total{service="shop"}'
REQUESTS = 'specter_beacon_requests_total{service="shop"}'


def views(vital: str, good: str, total: str, *, low: str, high: str) -> dict[str, str]:
    """Views that are good, or between `low` and `high`."""
    name = f"specter_web_vitals_{vital}"
    buckets = {
        f'{name}_bucket{{{PAGE},le="{le}"}}': good if le == low else total for le in (low, high, "+Inf")
    }
    return {f"{name}_count{{{PAGE}}}": total, **buckets}


def poor(words: str, value: str, good: str, limit: str) -> list[Firing]:
    return [
        Firing(
            LABELS,
            f"/product/{{id}} of shop is poor on mobile: {words} is {value}",
            f"One view in four of /product/{{id}} of shop on mobile had a {words} of {value} or more in the "
            f"last 5m; expected at most {good}, above {limit} is poor.",
        )
    ]


def missing() -> list[Firing]:
    return [
        Firing(
            {"service": "shop"},
            "No browser reports to shop any more",
            "shop gets requests, and its beacon took 0 a second for half an hour; expected more than 0 while "
            "the service has 1 or more. Nothing is known of what users see.",
        )
    ]


def refused(percent: str) -> list[Firing]:
    return [
        Firing(
            {"service": "shop"},
            f"The beacon of shop refuses {percent} of requests",
            f"{percent} of the requests to the beacon of shop were refused in the last 10m; "
            "expected at most 50%.",
        )
    ]


def refusals(origin: str, flood: str, requests: str) -> dict[str, str]:
    name = "specter_beacon_refused_total"
    return {
        f'{name}{{service="shop",reason="origin"}}': origin,
        f'{name}{{service="shop",reason="total_rate"}}': flood,
        REQUESTS: requests,
    }


CASES = [
    # Five views every five seconds; from the tenth minute all are poor, ten minutes long.
    Case(
        "LcpPoor",
        "frontend",
        "fires when three of four views are poor, and resolves",
        views("lcp_seconds", "0+5x120 600x119 600+5x180", "0+5x420", low="4", high="6"),
        {
            "10m": [],
            "11m": [],
            "18m": poor("Largest Contentful Paint", "5.5s", "2.5s", "4s"),
            "30m": [],
        },
    ),
    Case(
        "LcpPoor",
        "frontend",
        "is silent on few views",
        views("lcp_seconds", "0x240", "0x120 0+0.4x120", low="4", high="6"),
        {"10m": [], "15m": [], "20m": []},
    ),
    Case(
        "LcpPoor",
        "frontend",
        "is silent while a fifth is poor",
        views("lcp_seconds", "0+4x240", "0+5x240", low="4", high="6"),
        {"10m": [], "20m": []},
    ),
    Case(
        "InpPoor",
        "frontend",
        "fires and resolves",
        views("inp_seconds", "0+5x120 600x119 600+5x180", "0+5x420", low="0.5", high="1"),
        {"10m": [], "18m": poor("Interaction to Next Paint", "875ms", "0.2s", "0.5s"), "30m": []},
    ),
    Case(
        "InpPoor",
        "frontend",
        "is silent at a need for improvement",
        views("inp_seconds", "0x240", "0+5x240", low="0.2", high="0.5"),
        {"10m": [], "20m": []},
    ),
    Case(
        "ClsPoor",
        "frontend",
        "fires and resolves",
        views("cls", "0+5x120 600x119 600+5x180", "0+5x420", low="0.25", high="0.5"),
        {"10m": [], "18m": poor("Cumulative Layout Shift", "0.44", "0.1", "0.25"), "30m": []},
    ),
    Case(
        "BeaconsMissing",
        "frontend",
        "fires after half an hour without a beacon, and resolves",
        {
            TAKEN: "0+5x120 600x600 600+5x180",
            # A stranger is refused meanwhile.
            **refusals("0+1x900", "0x900", "0+1x900"),
            'service:http_server_requests:rate1m{service="shop"}': "5x900",
        },
        {"10m": [], "45m": [], "52m": missing(), "65m": []},
    ),
    Case(
        "BeaconsMissing",
        "frontend",
        "is silent at night, and without a beacon",
        {
            TAKEN: "7x900",
            'service:http_server_requests:rate1m{service="shop"}': "0.9x900",
            'service:http_server_requests:rate1m{service="api"}': "5x900",
        },
        {"50m": [], "70m": []},
    ),
    Case(
        "BeaconsRefused",
        "frontend",
        "fires while most are refused, whatever for, and resolves",
        refusals("0x120 0+2x360 720x300", "0x120 0+1x360 360x300", "0+4x780"),
        {"10m": [], "35m": refused("75%"), "60m": []},
    ),
    Case(
        "BeaconsRefused",
        "frontend",
        "is silent on a trickle and at exactly half",
        {
            **refusals("0+2x600", "0x600", "0+4x600"),
            'specter_beacon_refused_total{service="api",reason="origin"}': "0+0.4x600",
            'specter_beacon_requests_total{service="api"}': "0+0.4x600",
        },
        {"30m": [], "50m": []},
    ),
]
