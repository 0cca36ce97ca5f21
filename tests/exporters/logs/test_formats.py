"""Every format is read as its writer writes it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exporters.logs.reading import NOW, Reading


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, str | bytes], Reading]:
    """Return what reads `text` as a log with the settings given as YAML."""

    def reading(settings: str, text: str | bytes) -> Reading:
        log = tmp_path / "x.log"
        log.write_bytes(text.encode() if isinstance(text, str) else text)
        body = "".join(f"    {line}\n" for line in settings.strip().splitlines())
        config = f"logs:\n  - name: x\n    files: ['{log}']\n    start: beginning\n{body}"
        return Reading(f"{config}templates: {{warm_up: 0s}}\n").read().read()

    return reading


Read = Callable[[str, "str | bytes"], Reading]


def levels(reading: Reading) -> dict[str, float]:
    """Return the entries by level, without those of which there are none."""
    series = reading.series("specter_log_lines_total")
    return {dict(key)["level"]: value for key, value in series.items() if value}


def malformed(reading: Reading) -> dict[str, float]:
    """Return the malformed lines by reason, likewise."""
    series = reading.series("specter_log_malformed_lines_total")
    return {dict(key)["reason"]: value for key, value in series.items() if value}


def templates(reading: Reading) -> dict[str, object]:
    """Return how often each error template was seen."""
    return {str(each["template"]): each["count"] for each in reading.exporter.templates()}


def test_pino(read: Read) -> None:
    text = (
        '{"level":30,"time":1790000000123,"pid":7,"hostname":"a","msg":"listening"}\n'
        '{"level":35,"time":1790000000124,"msg":"a level of its own"}\n'
        '{"level":50,"time":1790000000125,"err":{"type":"TypeError","message":"x is not a function",'
        '"stack":"TypeError: x is not a function\\n    at f (/app/a.js:3:9)"},"msg":"charge 17 failed"}\n'
        '{"level":60,"msg":"out of memory"}\n'
        '{"level":30,"req":{"method":"GET","url":"/orders/17?x=1"},"res":{"statusCode":200},'
        '"responseTime":12.5,"msg":"request completed"}\n'
    )
    reading = read("format: json\nrequests: {duration: responseTime, duration_unit: ms}", text)
    assert levels(reading) == {"info": 3, "error": 1, "critical": 1}
    assert templates(reading) == {
        "charge <*> failed | TypeError: x is not a function": 1,
        "out of memory": 1,
    }
    labels = {"http_request_method": "GET", "http_route": "/orders/{id}", "http_response_status_code": "200"}
    assert reading.value("specter_log_http_requests_total", **labels) == 1
    assert reading.value("specter_log_http_request_duration_seconds_sum", **labels) == pytest.approx(0.0125)


def test_winston_and_structlog(read: Read) -> None:
    text = (
        '{"level":"error","message":"boom","stack":"Error: boom\\n    at x.js:1:1",'
        '"timestamp":"2026-09-21T14:13:19.000Z"}\n'
        '{"event":"payment failed","level":"warning","timestamp":"2026-09-21T14:13:20.5Z"}\n'
        '{"event":"charge","level":"error","exception":"Traceback (most recent call last):\\n'
        '  File \\"a.py\\", line 3, in f\\n    g()\\nValueError: bad amount 12",'
        '"timestamp":"2026-09-21T14:13:20Z"}\n'
    )
    reading = read("format: json", text)
    assert levels(reading) == {"error": 2, "warning": 1}
    assert templates(reading) == {"boom | Error: boom": 1, "charge | ValueError: bad amount <*>": 1}
    assert reading.value("specter_log_newest_entry_timestamp_seconds") == NOW


def docker(line: str, stream: str = "stdout", *, ends: bool = True) -> str:
    """Return a line as Docker's json-file driver writes it."""
    entry = {"log": line + ("\n" if ends else ""), "stream": stream, "time": "2026-09-21T14:13:20.1Z"}
    return json.dumps(entry) + "\n"


def test_docker_around_json_with_a_line_in_parts(read: Read) -> None:
    long = json.dumps({"level": "error", "msg": "x" * 40_000, "n": 1})
    parts = [long[:16_384], long[16_384:32_768], long[32_768:]]
    text = (
        docker('{"level":"info"}')
        + docker(parts[0], ends=False)
        + docker('{"level":"warn"}', "stderr")
        + docker(parts[1], ends=False)
        + docker(parts[2])
        + docker('{"level":"debug"}')
    )
    reading = read("format: json\nwrapper: docker", text)
    assert levels(reading) == {"info": 1, "error": 1, "warning": 1, "debug": 1}
    assert malformed(reading) == {}


def test_docker_around_text_with_a_traceback(read: Read) -> None:
    lines = [
        "2026-09-21 14:13:20 ERROR shop: cannot charge",
        "Traceback (most recent call last):",
        '  File "a.py", line 3, in f',
        "    g()",
        "ValueError: bad",
        "2026-09-21 14:13:21 INFO shop: next",
    ]
    reading = read("format: text\nwrapper: docker", "".join(docker(line, "stderr") for line in lines))
    assert levels(reading) == {"error": 1, "info": 1}
    assert templates(reading) == {"<*> <*> ERROR shop: cannot charge | ValueError: bad": 1}


def test_containerd(read: Read) -> None:
    text = (
        '2026-09-21T14:13:20.1Z stdout F {"level":"info"}\n'
        '2026-09-21T14:13:20.2Z stdout P {"level":"er\n'
        '2026-09-21T14:13:20.3Z stdout F ror","msg":"x"}\n'
        "no wrapper\n"
    )
    reading = read("format: json\nwrapper: cri", text)
    assert levels(reading) == {"info": 1, "error": 1, "unknown": 1}
    assert malformed(reading) == {"not_json": 1}


def test_combined_access_lines_with_more_at_the_end(read: Read) -> None:
    text = (
        '203.0.113.9 - - [21/Sep/2026:14:13:18 +0000] "GET /products/17?a=b HTTP/1.1" 200 512 "-" "Moz/5.0" '
        "0.025 HIT\n"
        '203.0.113.9 - bob [21/Sep/2026:14:13:19 +0000] "POST /cart HTTP/2.0" 500 - "https://shop/" '
        '"a \\"quoted\\" agent" 1.5 -\n'
        '2001:db8::1 - - [21/Sep/2026:14:13:20 +0000] "\\x16\\x03\\x01" 400 150 "-" "-" 0.000 -\n'
        '203.0.113.9 - - [21/Sep/2026:14:13:20 +0000] "GET /wp-admin.php HTTP/1.1" 404 10 "-" "bot" 0.001 -\n'
        "what is this\n"
    )
    reading = read("format: access\nextra: [request_time, upstream_cache_status]\ncdn: true", text)
    assert reading.series("specter_log_http_requests_total") == {
        (
            ("http_request_method", method),
            ("http_response_status_code", status),
            ("http_route", route),
        ): 1.0
        for method, status, route in (
            ("GET", "200", "/products/{id}"),
            ("POST", "500", "/cart"),
            ("_OTHER", "400", ""),
            ("GET", "404", ""),
        )
    }
    assert reading.value("specter_log_http_response_bytes_total", http_route="/products/{id}") == 512
    durations = reading.series("specter_log_http_request_duration_seconds_sum")
    assert sum(durations.values()) == pytest.approx(1.526)
    assert reading.value("specter_log_cdn_requests_total", cache_status="hit") == 1
    assert malformed(reading) == {"no_match": 1}
    assert reading.value("specter_log_newest_entry_timestamp_seconds") == NOW


def test_nginx_json(read: Read) -> None:
    line = {
        "time_iso8601": "2026-09-21T14:13:20+00:00",
        "remote_addr": "203.0.113.9",
        "request_method": "GET",
        "request_uri": "/api/v1/users/42",
        "status": "502",
        "body_bytes_sent": "157",
        "request_length": "300",
        "request_time": "0.310",
        "upstream_addr": "10.0.0.1:80, 10.0.0.2:80",
        "upstream_response_time": "0.100, 0.200",
        "upstream_cache_status": "MISS",
    }
    reading = read("format: nginx_json\ngateway: true\ncdn: true", json.dumps(line) + "\n")
    labels = {
        "http_request_method": "GET",
        "http_route": "/api/v1/users/{id}",
        "http_response_status_code": "502",
    }
    assert reading.value("specter_log_http_requests_total", **labels) == 1
    assert reading.value("specter_log_http_request_duration_seconds_sum", **labels) == 0.31
    upstream = "10.0.0.2:80"
    assert reading.value("specter_log_gateway_requests_total", upstream=upstream, outcome="failed") == 1
    assert reading.value("specter_log_gateway_bytes_total", upstream=upstream, direction="received") == 300
    assert reading.value("specter_log_gateway_bytes_total", upstream=upstream, direction="sent") == 157
    waited = reading.value("specter_log_gateway_upstream_duration_seconds_sum", upstream=upstream)
    assert waited == pytest.approx(0.3)
    assert reading.value("specter_log_cdn_bytes_total", cache_status="miss") == 157


POSTGRES = """\
2026-09-21 14:13:17.001 UTC [12] app@shop LOG:  duration: 1234.500 ms  statement: /* web */ select *
\tfrom orders
\twhere id = 7
2026-09-21 14:13:18.001 UTC [12] app@shop LOG:  duration: 20.000 ms  execute S_1: UPDATE orders SET x = 1
2026-09-21 14:13:19.001 UTC [12] app@shop ERROR:  duplicate key value violates unique constraint "orders_pkey"
2026-09-21 14:13:19.001 UTC [12] app@shop DETAIL:  Key (id)=(17) already exists.
2026-09-21 14:13:19.001 UTC [12] app@shop STATEMENT:  INSERT INTO orders VALUES (17)
2026-09-21 14:13:20.001 UTC [13] [unknown]@[unknown] FATAL:  the database system is starting up
"""


def test_postgresql(read: Read) -> None:
    reading = read("format: postgres", POSTGRES)
    assert levels(reading) == {"info": 2, "error": 1, "critical": 1}
    seconds = reading.series("specter_log_slow_query_duration_seconds_sum")
    assert {dict(key)["command"]: value for key, value in seconds.items()} == {
        "select": pytest.approx(1.2345),
        "update": pytest.approx(0.02),
    }
    assert templates(reading) == {
        'duplicate key value violates unique constraint "orders_pkey"': 1,
        "the database system is starting up": 1,
    }


def test_postgresql_csv_and_json(read: Read) -> None:
    row = (
        '2026-09-21 14:13:19.001 UTC,"app","shop",12,"127.0.0.1:5000",66.1,1,"SELECT",'
        '2026-09-21 14:00:00 UTC,3/1,0,{level},{state},"{message}",,,,,,,,,"psql","client backend",,0\n'
    )
    text = row.format(
        level="LOG", state="00000", message='duration: 50.0 ms  statement: select ""a""\n from b'
    )
    text += row.format(level="ERROR", state="42P01", message='relation ""x"" does not exist')
    reading = read("format: postgres_csv", text)
    assert levels(reading) == {"info": 1, "error": 1}
    assert reading.value("specter_log_slow_query_duration_seconds_sum", command="select") == 0.05
    line = {
        "timestamp": "2026-09-21 14:13:19.001 UTC",
        "error_severity": "LOG",
        "message": "duration: 70.000 ms  statement: delete from x",
    }
    reading = read("format: postgres_json", json.dumps(line) + "\n")
    assert reading.value("specter_log_slow_query_duration_seconds_sum", command="delete") == pytest.approx(
        0.07
    )


MYSQL = """\
/usr/sbin/mysqld, Version: 8.0.33 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# Time: 2026-09-21T14:13:18.123456Z
# User@Host: app[app] @ localhost [127.0.0.1]  Id:     8
# Query_time: 2.000123  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 5000
use shop;
SET timestamp=1790000000;
SELECT *
  FROM orders;
# User@Host: app[app] @ localhost [127.0.0.1]  Id:     9
# Query_time: 0.500000  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 20
SET timestamp=1790000000;
update orders set x = 1;
"""


def test_an_entry_of_csv_beyond_the_limits_does_not_swallow_the_next_ones(read: Read) -> None:
    def row(message: str) -> str:
        return (
            '2026-09-21 14:13:20.123 UTC,"u","d",7,"[local]",68e.1,1,"SELECT",2026-09-21 14:00:00 UTC,3/4,0,'
            f'ERROR,42P01,"{message}",,,,,,,,"","psql","client backend",,0\n'
        )

    long = "a line\n" * 600 + "its end"
    forged = 'quoted\n2026-09-21 14:13:20.123 UTC,""x"",\nend'
    reading = read("format: postgres_csv", row("before") + row(long) + row("after") * 20 + row(forged))
    assert levels(reading) == {"error": 22, "unknown": 1}
    assert malformed(reading) == {"too_long": 1}
    assert reading.value("specter_log_cut_lines_total") == 1


def test_many_lines_of_the_other_stream_wait_for_a_part_at_little_cost(read: Read) -> None:
    part = '{"log":"begun","stream":"stdout"}\n'
    other = '{"log":"x\\n","stream":"stderr"}\n'
    started = time.process_time()
    reading = read("format: text\nwrapper: docker", part + other * 30_000)
    assert levels(reading) == {"unknown": 30_001}
    assert time.process_time() - started < 5  # twenty seconds, if the waiting were added up for each line


def test_mysql(read: Read) -> None:
    reading = read("format: mysql_slow", MYSQL)
    assert levels(reading) == {"info": 3}
    assert reading.value("specter_log_slow_query_duration_seconds_sum", command="select") == 2.000123
    assert reading.value("specter_log_slow_query_duration_seconds_count", command="update") == 1
    assert reading.value("specter_log_slow_query_rows_examined_total", command="select") == 5000
    assert malformed(reading) == {}


def test_a_custom_expression(read: Read) -> None:
    settings = r"""
format: regex
pattern: '(?P<time>\S+ \S+) (?P<level>[A-Z]+) (?P<status>\d+) (?P<path>\S+) (?P<took>[\d.]+)ms'
requests: {duration: took, duration_unit: ms}
"""
    text = "2026-09-21 14:13:20 WARN 200 /a/1 12ms\n2026-09-21 14:13:20 ERROR 500 /a/2 8ms\nother\n"
    reading = read(settings, text)
    assert levels(reading) == {"warning": 1, "error": 1, "unknown": 1}
    assert malformed(reading) == {"no_match": 1}
    assert sum(reading.series("specter_log_http_request_duration_seconds_sum").values()) == pytest.approx(
        0.02
    )


CHAINED = """\
2026-09-21 14:13:18 INFO before
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    g()
shop.errors.PaymentError: card 17 declined
2026-09-21 14:13:19 INFO after
"""


def test_chained_exceptions_are_one_entry(read: Read) -> None:
    reading = read("format: text", CHAINED.replace("2026-09-21 14:13:18 INFO before\n", ""))
    assert levels(reading) == {"error": 1, "info": 1}
    assert list(templates(reading)) == [
        "Traceback (most recent call last): | shop.errors.PaymentError: card <*> declined"
    ]


NODE = """\
/app/server.js:10
    throw new Error("boom")
    ^

Error: boom
    at Object.<anonymous> (/app/server.js:10:11)
    at node:internal/main/run_main_module:23:47

Node.js v18.19.0
"""


def test_an_exception_that_nobody_caught_among_json_lines(read: Read) -> None:
    text = '{"level":"info"}\n' + NODE + '{"level":"info"}\n' + CHAINED.partition("\n")[2]
    reading = read("format: json", text)
    assert levels(reading) == {"info": 2, "error": 2, "unknown": 1}
    assert malformed(reading) == {"not_json": 1}  # the plain line at the end
    assert set(templates(reading)) == {"Error: boom", "shop.errors.PaymentError: card <*> declined"}


def test_a_start_of_ones_own_joins_all_other_lines(read: Read) -> None:
    text = "[1] ERROR first\nmore of it\nand more\n[2] INFO second\n"
    reading = read("format: text\nmultiline_start: '\\[\\d+\\]'", text)
    assert levels(reading) == {"error": 1, "info": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"level":\n', "not_json"),
        (b"[1, 2]\n", "not_json"),
        (b"42\n", "not_json"),
        (b'{"a":"\x00"}\n', "binary"),
        (b"\x89PNG\x0d\x1a\x03\x04\xff\xfe\n", "binary"),
        ('{"a":"é"}\n'.encode("latin-1"), "invalid_utf8"),
    ],
)
def test_malformed_lines_are_counted_by_reason_and_skipped(read: Read, line: bytes, reason: str) -> None:
    reading = read("format: json", b'{"level":"info"}\n' + line + b'{"level":"info"}\n')
    assert levels(reading) == {"info": 2, "unknown": 1}
    assert malformed(reading) == {reason: 1}


def test_a_line_of_ten_megabytes_is_cut(read: Read) -> None:
    long = b'{"level":"error","msg":"' + b"x" * 10_000_000 + b'"}\n'
    reading = read("format: json", b'{"level":"info"}\n' + long + b'{"level":"info"}\n')
    assert levels(reading) == {"info": 2, "unknown": 1}
    assert malformed(reading) == {"too_long": 1}
    assert reading.value("specter_log_cut_lines_total") == 1
    reading = read("format: text", b"ERROR " + b"x" * 10_000_000 + b"\nINFO\n")
    assert levels(reading) == {"info": 1, "error": 1}
    assert reading.value("specter_log_cut_lines_total") == 1


def test_times_of_the_future_are_told_of_and_not_believed(read: Read) -> None:
    text = '{"level":"error","msg":"a","time":"2099-01-01T00:00:00Z"}\n'
    reading = read("format: json", text)
    assert reading.value("specter_log_future_timestamps_total") == 1
    assert reading.series("specter_log_newest_entry_timestamp_seconds") == {}
    (seen,) = reading.series("specter_log_template_first_seen_timestamp_seconds").values()
    assert seen == reading.clock.now - 3
