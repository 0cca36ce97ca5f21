"""What the exporters of sign-ins and logs and the rules on them would expose, for the dashboards' queries."""

SCORES = {"signin_failure_rate": 0.2, "log_error_rate": 0.1}

WEB = 'log="web"'
TEMPLATE = f'{WEB},template_id="c9c6"'
ROUTE = f'{WEB},http_request_method="GET",http_route="/orders/{{id}}"'

GAUGES = {
    **{f'anomaly_score{{for="{alias}",model_alias="m"}}': score for alias, score in SCORES.items()},
    "service:auth_suspected_breaches:increase1h": 1,
    "service:auth_failures:ratio_rate5m": 0.8,
    "service:auth_successes:rate5m": 0.3,
    "service:auth_lockouts:increase15m": 2,
    "service:auth_captcha_successes:ratio_rate15m": 0.25,
    'service_agent:auth_failures:rate5m{user_agent_class="script"}': 1,
    'service_agent:http_requests:rate5m{user_agent_class="browser"}': 9,
    'service_grouping:auth_source_failures:max_share{grouping="network"}': 0.9,
    'service_grouping:http_source_requests:max_share{grouping="network"}': 0.1,
    'specter_auth_attack_suspected{kind="credential_stuffing"}': 1,
    'specter_auth_attack_suspected{kind="password_spraying"}': 0,
    'specter_http_surge_suspected{kind="flood"}': 0,
    'specter_auth_source_failures{grouping="address",source="f0b8"}': 150,
    'specter_auth_source_failures{grouping="address",source="4044"}': 149,
    'specter_auth_source_failures{grouping="address",source="other"}': 900,
    'specter_auth_source_accounts{grouping="address",source="f0b8"}': 148,
    'specter_auth_source_accounts{grouping="address",source="4044"}': 152,
    'specter_auth_source_failures_error{grouping="address"}': 0,
    "specter_auth_failed_sources": 25,
    "specter_auth_failed_accounts": 322,
    "specter_auth_account_failures_max": 1,
    "specter_auth_account_sources_max": 1,
    'specter_http_source_requests{grouping="address",source="f0b8"}': 300,
    "specter_http_sources": 401,
    f"service_log:log_errors:rate5m{{{WEB}}}": 0.5,
    f"service_log:log_new_templates:increase15m{{{WEB}}}": 1,
    f"service_log:log_http_errors:ratio_rate5m{{{WEB}}}": 0.02,
    f"service_log:log_http_request_duration_seconds:p95_rate5m{{{WEB}}}": 0.4,
    f"service_log:log_cdn_hits:ratio_rate15m{{{WEB}}}": 0.9,
    f"specter_log_up{{{WEB}}}": 1,
    f"specter_log_templates{{{WEB}}}": 3,
    f"specter_log_backlog_bytes{{{WEB}}}": 0,
    f"specter_log_files{{{WEB}}}": 1,
    f"specter_log_files_ignored{{{WEB}}}": 0,
}
COUNTERS = (
    'specter_auth_attempts_total{outcome="failed"}',
    "specter_auth_captcha_challenges_total",
    "specter_auth_captcha_successes_total",
    'specter_auth_events_refused_total{reason="invalid"}',
    f'specter_log_lines_total{{{WEB},level="error"}}',
    f"specter_log_template_lines_total{{{TEMPLATE}}}",
    f'specter_log_http_requests_total{{{ROUTE},http_response_status_code="502"}}',
    f'specter_log_http_requests_total{{{ROUTE},http_response_status_code="200"}}',
    f'specter_log_http_response_bytes_total{{{WEB},http_route="/orders/{{id}}"}}',
    *(
        f"specter_log_{name}_seconds_{part}{{{WEB},{label}{le}}}"
        for name, label in (
            ("slow_query_duration", 'command="select"'),
            ("gateway_upstream_duration", 'upstream="api"'),
        )
        for part, le in (("bucket", ',le="0.5"'), ("bucket", ',le="+Inf"'), ("count", ""))
    ),
    f'specter_log_slow_query_rows_examined_total{{{WEB},command="select"}}',
    f'specter_log_cdn_requests_total{{{WEB},cache_status="hit"}}',
    f'specter_log_cdn_bytes_total{{{WEB},cache_status="hit"}}',
    f'specter_log_gateway_requests_total{{{WEB},upstream="api",outcome="ok"}}',
    f'specter_log_gateway_bytes_total{{{WEB},upstream="api",direction="sent"}}',
    f"specter_log_read_bytes_total{{{WEB}}}",
    f'specter_log_malformed_lines_total{{{WEB},reason="no_match"}}',
    f"specter_log_cut_lines_total{{{WEB}}}",
    f"specter_log_future_timestamps_total{{{WEB}}}",
    f'specter_log_field_errors_total{{{WEB},metric="orders_total"}}',
    'specter_log_label_overflow_total{metric="orders_total"}',
    f'specter_log_rotations_total{{{WEB},how="renamed"}}',
    f"specter_log_lost_files_total{{{WEB}}}",
    f'specter_log_read_errors_total{{{WEB},reason="permission"}}',
    "specter_log_state_errors_total",
)
TIMES = (
    f"specter_log_template_first_seen_timestamp_seconds{{{TEMPLATE}}}",
    f"specter_log_newest_entry_timestamp_seconds{{{WEB}}}",
    "specter_log_state_saved_timestamp_seconds",
)
