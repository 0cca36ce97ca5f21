"""What a configuration may say, and how its errors are told."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from specter_core.config import ConfigError, parse_config
from specter_exporters.logs.patterns import problem
from specter_exporters.logs.schema import LogsSchema
from specter_exporters.logs.watch import TooLongError, Watch
from tests.exporters.logs.served import command

WRONG = """\
logs:
  - name: a
    format: json
  - name: b
    files: [x.log]
    format: regex
    pattern: '(?P<x>a+)+$'
    counters:
      - {name: specter_x_total}
      - {name: y}
      - {name: z_total, labels: {job: a}}
    histograms:
      - {name: h_ms, value: v, unit: ms}
    requests: {routes: [no-slash]}
    surprise: 1
poll_interval: soon
"""


def test_every_error_is_told_at_once_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(WRONG, LogsSchema, file="logs.yml")
    told = {(problem.line, problem.path): problem.message for problem in caught.value.problems}
    assert "expected either files" in told[2, "logs[0]"]
    assert "repeats a group that itself repeats" in told[7, "logs[1].pattern"]
    assert "are taken" in told[9, "logs[1].counters[0].name"]
    assert "ends in _total" in told[10, "logs[1].counters[1]"]
    assert any("is not free" in message for message in told.values())
    assert "must end in _seconds" in told[13, "logs[1].histograms[0]"]
    assert "expected a path" in told[14, "logs[1].requests.routes[0]"]
    assert told[15, "logs[1].surprise"].startswith("is not a known key")
    assert "expected seconds, or a duration" in told[16, "poll_interval"]


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(?:a|ab)*c",
        r"((a*)b)*",
        r"(?:\d+\.?){11,}",
        r"(?:aa?)+b",
        r"(?:a?a?)+b",
        r"(?:a{1,2})*b",
        r"(?:a(?:a)?)+b",
        r"(?P<x>.)\1",
        r"(?P<x>.)(?P=x)",
        r"(?=a)b",
        r"(?<!a)b",
        r"(",
        "a" * 3000,
    ],
)
def test_dangerous_patterns_are_refused(pattern: str) -> None:
    assert problem(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<host>\S+) \[(?P<time>[^\]]+)\] (?P<status>\d{3})",
        r"(?:\d{1,3}\.){3}\d{1,3}",
        r"(?:foo|bar)? (?P<rest>.*)",
        r"[()+*|\]]+x",
        r"(?i)error \(\d+\)",
        r"\d+(?:ms)+",
        r"(?:\d{3}\.)+",
        r"(?:\d\d?:){2}\d\d",
    ],
)
def test_harmless_patterns_are_not(pattern: str) -> None:
    assert problem(pattern) is None


def test_a_match_is_ended_when_it_takes_too_long() -> None:
    import re  # noqa: PLC0415

    slow = re.compile(r"a*a*a*a*a*a*a*b")
    watch = Watch(0.05)
    watch.start()
    started = time.monotonic()
    try:
        with pytest.raises(TooLongError), watch:
            slow.match("a" * 2000)
    finally:
        watch.stop()
    assert time.monotonic() - started < 5
    with watch:
        assert slow.match("aab")


GOOD = """\
logs:
  - {name: web, files: [/var/log/nginx/access.log], format: access}
"""


def test_check_says_what_it_read(tmp_path: Path) -> None:
    config = tmp_path / "logs.yml"
    config.write_text(GOOD, encoding="utf-8")
    done = subprocess.run(command("check", str(config)), capture_output=True, text=True, check=True)
    assert done.stdout == f"web: access, from /var/log/nginx/access.log\n{config}: ok\n"
    config.write_text(WRONG, encoding="utf-8")
    done = subprocess.run(
        command("check", str(config), "--output", "json"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    answer = json.loads(done.stdout)
    assert not answer["ok"]
    assert len(answer["problems"]) >= 9


def test_try_shows_what_lines_become(tmp_path: Path) -> None:
    config = tmp_path / "logs.yml"
    config.write_text(GOOD, encoding="utf-8")
    text = (
        '1.2.3.4 - - [21/Sep/2026:14:13:18 +0000] "GET /a/1 HTTP/1.1" 200 5 "-" "-"\nnonsense password=x1\n'
    )
    done = subprocess.run(
        command("try", str(config), "web"), input=text, capture_output=True, text=True, check=True
    )
    assert 'http_route="/a/{id}"' in done.stdout
    assert done.stderr == "malformed (no_match): 'nonsense password=…'\n"


def test_a_condition_that_is_none_is_told_of_once_and_in_words_of_the_file() -> None:
    text = """\
logs:
  - name: a
    files: [x.log]
    format: json
    counters:
      - name: failed_total
        when: {status: {minn: 500}, path: {min: x}, level: [error, {a: 1}], host: null}
"""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, LogsSchema, file="logs.yml")
    assert [
        str(each).removeprefix("logs.yml:7: logs[0].counters[0].when.") for each in caught.value.problems
    ] == [
        "host: expected a text, a number, true or false, a list or a mapping (found None)",
        "level[1]: expected a text, a number or true or false (found a mapping)",
        "path.min: expected a number (found 'x')",
        "status.minn: is not a known key: did you mean min?",
    ]
