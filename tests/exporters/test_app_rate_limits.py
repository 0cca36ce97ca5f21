"""What responses say about limits: each dialect, the tightest of several, nothing of nonsense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from specter_exporters.app.rate_limits import RateLimit, rate_limit

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"RateLimit": '"default";r=50;t=30'}, RateLimit(50, None, NOW + 30)),
        (
            {
                "RateLimit": '"burst";r=9;t=1, "day";r=3;t=600',
                "RateLimit-Policy": '"burst";q=10;w=1,"day";q=500',
            },
            RateLimit(3, 500, NOW + 600),
        ),
        ({"RateLimit": "limit=100, remaining=7, reset=5"}, RateLimit(7, 100, NOW + 5)),
        (
            {"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "40", "RateLimit-Reset": "12"},
            RateLimit(40, 100, NOW + 12),
        ),
        (
            {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800000090"},
            RateLimit(0, 60, NOW + 90),
        ),
        (
            {"X-Rate-Limit-Remaining": "5", "X-Rate-Limit-Reset": "1800000001500"},
            RateLimit(5, None, NOW + 1.5),
        ),
        (
            {
                "x-ratelimit-limit-requests": "500",
                "x-ratelimit-remaining-requests": "499",
                "x-ratelimit-reset-requests": "1m0.5s",
            },
            RateLimit(499, 500, NOW + 60.5),
        ),
        ({"X-RateLimit-Remaining": "5"}, RateLimit(5, None, None)),
        ({"Retry-After": "120"}, RateLimit(None, None, NOW + 120)),
        ({"Retry-After": "Fri, 15 Jan 2027 08:01:40 GMT"}, RateLimit(None, None, NOW + 100)),
        ({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "1700000000"}, None),
        ({"X-RateLimit-Remaining": "many"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": f"Fri, {'9' * 30} Jan 2027 08:01:40 GMT"}, None),
        ({"Retry-After": f"Fri, 15 Jan 2027 08:01:40 +{'9' * 30}"}, None),
        ({"RateLimit": '"p";x=1'}, None),
        ({}, None),
    ],
)
def test_dialects(headers: dict[str, str], expected: RateLimit | None) -> None:
    assert rate_limit(CaseInsensitiveDict(headers), 200, NOW) == expected


def test_429_with_retry_after_means_that_nothing_is_left() -> None:
    headers = CaseInsensitiveDict({"Retry-After": "30", "X-RateLimit-Limit": "100"})
    assert rate_limit(headers, 429, NOW) == RateLimit(0, 100, NOW + 30)
    assert rate_limit(headers, 503, NOW) == RateLimit(None, 100, NOW + 30)


def test_a_value_without_an_end_is_believed_for_five_minutes() -> None:
    assert RateLimit(5).until(NOW) == NOW + 300
    assert RateLimit(5, None, NOW + 7).until(NOW) == NOW + 7


NAMES = ["ratelimit", "ratelimit-policy", "ratelimit-remaining", "ratelimit-reset", "retry-after",
         "x-ratelimit-limit"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=60)), st.integers(100, 599))
def test_no_header_raises(headers: dict[str, str], status: int) -> None:
    found = rate_limit(CaseInsensitiveDict(headers), status, NOW)
    assert found is None or found.reset is None or found.reset > NOW
