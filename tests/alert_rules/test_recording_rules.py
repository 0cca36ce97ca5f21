"""The recorded layer against promtool: exact values, and absence where nothing is known."""

from pathlib import Path

import pytest

from specter_alerts.families import all_groups
from specter_core import metrics
from tests.alert_rules.http_cases import COUNT, errors, latency
from tests.alert_rules.promtool import evaluate

RATE = "service:http_server_requests:rate1m"
RATIO = "service:http_server_errors:ratio_rate1m"
P50, P95, P99 = (f"service:http_server_request_duration_seconds:{p}_rate1m" for p in ("p50", "p95", "p99"))
SHOP = '{service="shop"}'
ROUTE_A = '{http_route="/a",service="shop"}'


def check(folder: Path, series: dict[str, str], expected: dict[str, dict[str, dict[str, float]]]) -> None:
    result = evaluate(folder, "http", series, expected)
    assert result.returncode == 0, result.stdout + result.stderr


def level(name: str, labels: str = SHOP) -> str:
    return f"{name}{labels}"


@pytest.mark.integration
def test_rate_and_error_ratio_of_service_and_route(tmp_path: Path) -> None:
    other = f'{COUNT}{{service="shop",http_route="/b",http_response_status_code="200"}}'
    check(
        tmp_path,
        {**errors("0+15x60", "0+5x60"), other: "0+20x60"},
        {
            "5m": {
                RATE: {level(RATE): 8},
                RATIO: {level(RATIO): 0.125},
                RATE.replace("service:", "service_route:"): {
                    level("service_route:http_server_requests:rate1m", ROUTE_A): 4,
                    level("service_route:http_server_requests:rate1m", '{http_route="/b",service="shop"}'): 4,
                },
                "service_route:http_server_errors:ratio_rate1m": {
                    level("service_route:http_server_errors:ratio_rate1m", ROUTE_A): 0.25,
                    level(
                        "service_route:http_server_errors:ratio_rate1m", '{http_route="/b",service="shop"}'
                    ): 0,
                },
            }
        },
    )


@pytest.mark.integration
def test_error_ratio_is_zero_with_requests_and_no_5xx(tmp_path: Path) -> None:
    labels = 'service="shop",http_route="/a",http_response_status_code'
    series = {f'{COUNT}{{{labels}="200"}}': "0+5x60", f'{COUNT}{{{labels}="404"}}': "0+5x60"}
    check(tmp_path, series, {"5m": {RATE: {level(RATE): 2}, RATIO: {level(RATIO): 0}}})


@pytest.mark.integration
def test_no_traffic_is_a_rate_and_a_ratio_of_zero_and_no_quantile(tmp_path: Path) -> None:
    series = latency("7x60", "9x60", low="5", high="7.5")
    nothing: dict[str, float] = {}
    check(
        tmp_path,
        series,
        {"5m": {RATE: {level(RATE): 0}, RATIO: {level(RATIO): 0}, P50: nothing, P95: nothing, P99: nothing}},
    )


@pytest.mark.integration
def test_no_series_records_nothing(tmp_path: Path) -> None:
    check(tmp_path, {}, {"5m": {RATE: {}, RATIO: {}, P95: {}}})


@pytest.mark.integration
def test_the_error_ratio_of_few_requests_is_their_share_of_the_minimum_rate(tmp_path: Path) -> None:
    labels = 'http_route="/a",http_response_status_code="500"'
    series = {
        f'{COUNT}{{service="busy",{labels}}}': "0+1x60",  # 0.2/s
        f'{COUNT}{{service="idle",{labels}}}': "0+0.25x60",  # 0.05/s
    }
    ratios = {level(RATIO, '{service="busy"}'): 1, level(RATIO, '{service="idle"}'): 0.5}
    check(tmp_path, series, {"5m": {RATIO: ratios}})


@pytest.mark.integration
def test_quantiles_are_interpolated_within_the_bucket(tmp_path: Path) -> None:
    # Half of the requests take 0 to 0.1 s, half 5 to 7.5 s.
    series = latency("0+5x60", "0+10x60", low="5", high="7.5")
    check(
        tmp_path,
        series,
        {
            "5m": {
                P50: {level(P50): 0.1},
                P95: {level(P95): 7.25},
                P99: {level(P99): 7.45},
                "service_route:http_server_request_duration_seconds:p95_rate1m": {
                    level("service_route:http_server_request_duration_seconds:p95_rate1m", ROUTE_A): 7.25
                },
            }
        },
    )


@pytest.mark.integration
def test_requests_without_service_or_route_stay_out_of_the_recorded_layer(tmp_path: Path) -> None:
    series = {
        f'{COUNT}{{http_route="/a",http_response_status_code="200"}}': "0+5x60",
        f'{COUNT}{{service="shop",http_response_status_code="200"}}': "0+5x60",
    }
    check(
        tmp_path,
        series,
        {"5m": {RATE: {level(RATE): 1}, "service_route:http_server_requests:rate1m": {}}},
    )


@pytest.mark.integration
def test_sign_ins_count_all_but_successes_as_failures(tmp_path: Path) -> None:
    attempts, agents = "specter_auth_attempts_total", "specter_auth_user_agent_failures_total"
    source = 'specter_auth_source_failures{service="shop",grouping="network",source'
    series = {
        f'{attempts}{{service="shop",outcome="success"}}': "0+10x120",
        f'{attempts}{{service="shop",outcome="failed"}}': "0+4x120",
        f'{attempts}{{service="shop",outcome="locked"}}': "0+1x120",
        f'{attempts}{{outcome="failed"}}': "0+9x120",
        f'{agents}{{service="shop",user_agent_class="script"}}': "0+5x120",
        f'{source}="a"}}': "30x120",
        f'{source}="b"}}': "10x120",
        f'{source}="other"}}': "60x120",
        'specter_auth_source_failures{service="idle",grouping="network",source="other"}': "0x120",
    }
    values: dict[str, dict[str, float]] = {
        metrics.SERVICE_SIGNIN_RATE: {SHOP: 3},
        metrics.SERVICE_SIGNIN_SUCCESS_RATE: {SHOP: 2},
        metrics.SERVICE_SIGNIN_FAILURE_RATE: {SHOP: 1},
        metrics.SERVICE_SIGNIN_FAILURE_RATIO: {SHOP: 1 / 3},
        metrics.AGENT_SIGNIN_FAILURE_RATE: {'{service="shop",user_agent_class="script"}': 1},
        metrics.TOP_SOURCE_FAILURE_SHARE: {'{grouping="network",service="shop"}': 0.3},
        metrics.SERVICE_CAPTCHA_RATIO: {},
    }
    check_family(tmp_path, "signin", series, values)


@pytest.mark.integration
def test_logs_are_recorded_by_service_and_log(tmp_path: Path) -> None:
    web = 'service="shop",log="web"'
    series = {
        f'specter_log_lines_total{{{web},level="info"}}': "0+90x240",
        f'specter_log_lines_total{{{web},level="error"}}': "0+4x240",
        f'specter_log_lines_total{{{web},level="critical"}}': "0+1x240",
        f'specter_log_lines_total{{{web},level="unknown"}}': "0+5x240",
        f'specter_log_malformed_lines_total{{{web},reason="binary"}}': "0+5x240",
        f'specter_log_http_requests_total{{{web},http_response_status_code="200"}}': "0+15x240",
        f'specter_log_cdn_requests_total{{{web},cache_status="hit"}}': "0+5x240",
        f'specter_log_cdn_requests_total{{{web},cache_status="revalidated"}}': "0+1x240",
        f'specter_log_cdn_requests_total{{{web},cache_status="miss"}}': "0+2x240",
        f'specter_log_cdn_requests_total{{{web},cache_status="bypass"}}': "0+99x240",
        'specter_log_cdn_requests_total{service="shop",log="cold",cache_status="miss"}': "0+2x240",
    }
    labels, cold = f'{{log="web",{SHOP[1:]}', f'{{log="cold",{SHOP[1:]}'
    values: dict[str, dict[str, float]] = {
        metrics.LOG_LINE_RATE: {labels: 20},
        metrics.LOG_ERROR_RATE: {labels: 1},
        metrics.LOG_MALFORMED_RATIO: {labels: 0.05},
        metrics.LOG_REQUEST_RATE: {labels: 3},
        metrics.LOG_ERROR_RATIO: {labels: 0},
        metrics.LOG_DURATION_P95: {},
        metrics.LOG_CDN_HIT_RATIO: {labels: 0.75, cold: 0},
    }
    check_family(tmp_path, "logs", series, values)


def check_family(
    folder: Path, family: str, series: dict[str, str], values: dict[str, dict[str, float]]
) -> None:
    # Rounded to a power of two, which both can do without a remainder: a rate need not be exact in binary.
    step = 2**-20
    expected = {
        f"round({name}, {step})": {labels: round(value / step) * step for labels, value in found.items()}
        for name, found in values.items()
    }
    result = evaluate(folder, family, series, {"10m" if family == "signin" else "20m": expected})
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.integration
def test_web_vitals_are_recorded_by_page_and_device(tmp_path: Path) -> None:
    # Of 16 views eight are good, six need improvement (2.5 to 4 s) and two are poor (4 to 6 s).
    where = 'service="shop",page="/",device="mobile"'
    name = "specter_web_vitals_lcp_seconds"
    rising = {"2.5": "0+8x120", "4.0": "0+14x120", "6.0": "0+16x120", "+Inf": "0+16x120"}
    series = {f'{name}_bucket{{{where},le="{le}"}}': values for le, values in rising.items()}
    series[f"{name}_count{{{where}}}"] = "0+16x120"
    # Without views there is nothing to rate.
    quiet = where.replace("mobile", "tablet")
    series |= {f'{name}_bucket{{{quiet},le="{le}"}}': "3x120" for le in rising}
    series[f"{name}_count{{{quiet}}}"] = "3x120"
    of = "service_page_device:specter_web_vitals_lcp_seconds:"
    mobile = '{device="mobile",page="/",service="shop"}'
    expected = {"p75_rate5m": 3.5, "good_ratio_rate5m": 0.5, "poor_ratio_rate5m": 0.125}
    found = {of + what: {level(of + what, mobile): value} for what, value in expected.items()}
    views = of + "count_increase5m"
    found[views] = {level(views, mobile): 960, level(views, mobile.replace("mobile", "tablet")): 0}
    result = evaluate(tmp_path, "frontend", series, {"8m": found})
    assert result.returncode == 0, result.stdout + result.stderr


CALL = "http_client_request_duration_seconds_count"
SERVER = '{server_address="pay",service="shop"}'


@pytest.mark.integration
def test_calls_fail_by_a_5xx_or_without_an_answer_and_not_by_a_4xx_or_who_gave_up(tmp_path: Path) -> None:
    target = 'service="shop",server_address="pay"'
    series = {
        f'{CALL}{{{target},http_response_status_code="{code}",error_type="{error}"}}': "0+1x60"
        for code, error in (("200", ""), ("402", "402"), ("503", "503"), ("", "timeout"), ("", "cancelled"))
    }
    result = evaluate(
        tmp_path,
        "application",
        series,
        {
            "5m": {
                metrics.CALL_RATE: {level(metrics.CALL_RATE, SERVER): 1},
                metrics.CALL_ERROR_RATIO: {level(metrics.CALL_ERROR_RATIO, SERVER): 0.4},
            }
        },
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.integration
def test_success_is_a_share_of_what_came_to_an_end_and_unknown_where_nobody_tried(tmp_path: Path) -> None:
    def events(event: str, outcome: str, values: str, reason: str = "") -> dict[str, str]:
        labels = f'service="shop",event="{event}",outcome="{outcome}",reason="{reason}"'
        return {f"specter_business_events_total{{{labels}}}": values}

    series = {
        **events("coaching", "success", "0+3x60"),
        **events("coaching", "failed", "0x60"),
        **events("coaching", "failed", "0+1x60", "timeout"),
        **events("coaching", "abandoned", "0+9x60"),
        **events("vote", "success", "0x60"),
    }
    shop = '{event="coaching",service="shop"}'
    result = evaluate(
        tmp_path,
        "business",
        series,
        {
            "5m": {
                metrics.EVENT_SUCCESS_5M: {level(metrics.EVENT_SUCCESS_5M, shop): 0.75},
                f'{metrics.EVENTS_5M}{{outcome="failed"}}': {
                    level(metrics.EVENTS_5M, '{event="coaching",outcome="failed",service="shop"}'): 60
                },
            }
        },
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.integration
def test_conversion_is_a_steps_share_of_the_step_before_it(tmp_path: Path) -> None:
    def step(event: str, values: str) -> dict[str, str]:
        labels = f'service="shop",funnel="onboarding",event="{event}",position="x"'
        return {f"specter_business_funnel_steps_total{{{labels}}}": values}

    series = {
        **step("registration", "0+4x60"),
        **step("activation", "0+3x60"),
        **step("daily_checkin", "0+6x60"),
    }
    result = evaluate(
        tmp_path,
        "business",
        series,
        {
            "5m": {
                metrics.FUNNEL_CONVERSION: {
                    level(
                        metrics.FUNNEL_CONVERSION,
                        f'{{event="{event}",funnel="onboarding",service="shop"}}',
                    ): ratio
                    for event, ratio in (("activation", 0.75), ("daily_checkin", 2))
                }
            }
        },
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_exactly_the_vocabulary_is_recorded() -> None:
    recorded = {rule.record for group in all_groups() for rule in group.recordings}
    assert recorded == {
        metrics.SERVICE_REQUEST_RATE,
        metrics.ROUTE_REQUEST_RATE,
        metrics.SERVICE_ERROR_RATIO,
        metrics.ROUTE_ERROR_RATIO,
        *metrics.SERVICE_DURATION.values(),
        *metrics.ROUTE_DURATION.values(),
        metrics.SERVICE_SIGNIN_RATE,
        metrics.SERVICE_SIGNIN_SUCCESS_RATE,
        metrics.SERVICE_SIGNIN_FAILURE_RATE,
        metrics.SERVICE_SIGNIN_FAILURE_RATIO,
        metrics.AGENT_SIGNIN_FAILURE_RATE,
        metrics.AGENT_REQUEST_RATE,
        metrics.TOP_SOURCE_FAILURE_SHARE,
        metrics.TOP_SOURCE_REQUEST_SHARE,
        metrics.SERVICE_BREACHES,
        metrics.SERVICE_LOCKOUTS,
        metrics.SERVICE_CAPTCHA_RATIO,
        metrics.SERVICE_SIGNIN_SUCCESS_USUAL,
        metrics.SERVICE_LOCKOUTS_USUAL,
        metrics.SERVICE_CAPTCHA_USUAL,
        metrics.LOG_WRITING_USUAL,
        metrics.LOG_ERROR_USUAL,
        metrics.LOG_SLOW_QUERY_USUAL,
        metrics.LOG_CDN_HIT_USUAL,
        metrics.LOG_LINE_RATE,
        metrics.LOG_ERROR_RATE,
        metrics.LOG_NEW_TEMPLATE_COUNT,
        metrics.LOG_MALFORMED_RATIO,
        metrics.LOG_REQUEST_RATE,
        metrics.LOG_ERROR_RATIO,
        metrics.LOG_DURATION_P95,
        metrics.LOG_SLOW_QUERY_RATE,
        metrics.LOG_CACHEABLE_RATE,
        metrics.LOG_CDN_HIT_RATIO,
        *metrics.WEB_VITALS_P75.values(),
        *metrics.WEB_VITALS_VIEWS.values(),
        *metrics.WEB_VITALS_GOOD.values(),
        *metrics.WEB_VITALS_POOR.values(),
        metrics.INSTANCE_SLOTS_USED,
        metrics.INSTANCE_THREADPOOL_WAITING,
        metrics.INSTANCE_LOOP_LAG_P95,
        metrics.SERVICE_QUEUE_P95,
        metrics.EXCEPTION_RATE,
        metrics.CALL_RATE,
        metrics.CALL_ERROR_RATIO,
        metrics.CALL_DURATION_P95,
        metrics.QUOTA_LEFT,
        metrics.EVENTS_5M,
        metrics.EVENTS_15M,
        metrics.EVENTS_1H,
        metrics.EVENT_SUCCESS_5M,
        metrics.EVENT_SUCCESS_1H,
        metrics.FUNNEL_ENTRANTS,
        metrics.FUNNEL_CONVERSION,
        metrics.SERVICE_DEPLOYED,
        metrics.SERVER_CONNECTIONS_USED,
        metrics.QUEUE_AGE,
        metrics.QUEUE_AGE_USUAL,
        metrics.QUEUE_WAIT,
        metrics.QUEUE_DRAIN,
        metrics.QUEUE_ARRIVAL_RATE,
        metrics.QUEUE_COMPLETION_RATE,
        metrics.QUEUE_FAILURE_RATIO,
        metrics.QUEUE_RETRY_RATIO,
        metrics.CACHE_HIT_RATIO,
        metrics.CACHE_LOOKUP_RATE,
        metrics.CACHE_EVICTION_RATE,
        metrics.CACHE_HIT_USUAL,
        metrics.CACHE_EVICTION_USUAL,
        metrics.SERVICE_JOB_SUCCESS_RATIO,
        metrics.HOST_CPU_USED,
        metrics.HOST_LOAD,
        metrics.HOST_MEMORY_AVAILABLE,
        metrics.HOST_DISK_FREE,
        metrics.HOST_INODES_FREE,
        metrics.HOST_GROUP_PROCESSES,
        metrics.HOST_GROUP_MEMORY,
    }
