"""Whatever bytes are in a log, nothing raises, nothing hangs, and every entry is counted once."""

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specter_core.config import parse_config
from specter_exporters.logs.build import build
from specter_exporters.logs.fields import as_label, as_number
from specter_exporters.logs.rules.signin import CountedAttempts
from specter_exporters.logs.schema import LogsSchema
from specter_exporters.logs.secrets import mask_secrets
from specter_exporters.logs.series import Store
from specter_exporters.logs.tail.followed import Buffers
from specter_exporters.logs.tail.joining import Joiner
from specter_exporters.logs.tail.lines import LineSplitter
from specter_exporters.logs.times import parse_time
from specter_exporters.logs.watch import Watch
from tests.exporters.logs.reading import NOW, Reading, numbered

FORMATS = (
    *("json", "nginx_json", "access", "text", "postgres", "postgres_csv", "postgres_json", "mysql_slow"),
    "regex\n    pattern: '(?P<level>\\w+) (?P<path>\\S*) (?P<status>\\d*)(?P<message>.*)'",
)
RULES = """
    requests: {}
    slow_queries: {}
    cdn: {}
    gateway: {}
    web_vitals: {}
    signin: [{when: {path: /login}, failed: {status: {min: 400}}}]
    counters: [{name: a_total, value: bytes, labels: {level: level, path: path}}]
    histograms: [{name: b, value: duration, labels: {x: user.name}}]
"""
WORDS = st.sampled_from(
    [
        *(
            b"level",
            b"error",
            b'"',
            b"{",
            b"}",
            b":",
            b"\n",
            b" ",
            b"\\",
            b"[",
            b"]",
            b"\t",
            b"\r\n",
            b"\x00",
        ),
        *(
            b"Traceback (most recent call last):",
            b"  File",
            b"ValueError: x",
            b"# Time: ",
            b"# User@Host: a[b]",
        ),
        *(
            b"duration: 1.0 ms  statement: select",
            b"LOG:  ",
            b"GET / HTTP/1.1",
            b" 200 ",
            b"\xff\xfe",
            b"path",
        ),
        *(
            b'{"log":"a\\n","stream":"stdout"}',
            b'{"log":"a","stream":"stderr"}',
            b" stdout F ",
            b" stderr P ",
        ),
        *(b'{"level":"error","msg":"x"}', b"status", b"null", b"1e999", b"-1", b"a" * 3000, b"[10/Oct/2025:"),
    ]
)
BYTES = st.lists(st.one_of(WORDS, st.binary(max_size=20)), max_size=40).map(b"".join)
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        *("level", "path", "status", "method", "duration", "bytes", "msg", "err", "stack", "time", "name"),
        *(
            "value",
            "page",
            "device",
            "user",
            "upstream_addr",
            "upstream_response_time",
            "cache_status",
            "req",
        ),
    ]
)


@pytest.mark.parametrize("wrapper", ["", "\n    wrapper: docker", "\n    wrapper: cri"])
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.partition("\n")[0])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=BYTES, cuts=st.lists(st.integers(0, 2000), max_size=4))
def test_any_bytes(form: str, wrapper: str, data: bytes, cuts: list[int]) -> None:
    assert _malformed(form + wrapper, data, cuts).get("defect", 0) == 0


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.dictionaries(NAMES, JSON_VALUES, max_size=8), max_size=6))
def test_any_values_in_json(lines: list[dict[str, object]]) -> None:
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    assert _malformed("json", data, []).get("defect", 0) == 0


def _malformed(form: str, data: bytes, cuts: list[int]) -> dict[str, float]:
    """Count `data`, read in the given stretches; return what was malformed, by reason."""
    text = f"logs:\n  - name: x\n    stdin: true\n    format: {form}{RULES}"
    config = parse_config(text, LogsSchema, file="x")
    store, watch = Store(), Watch()
    built = build(config.logs[0], config.templates, store, watch, CountedAttempts(store))
    buffers = Buffers(LineSplitter(1024), Joiner(built.format, 1024, config.logs[0].wrapper))
    counted = 0
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        entries = buffers.feed(data[start:end])
        assert buffers.held <= len(data)
        counted += len(entries)
        built.pipeline.process(entries, NOW)
    entries = buffers.finish()
    built.pipeline.process(entries, NOW)
    counted += len(entries)
    assert buffers.held == 0
    saved = store.save()
    assert sum(value for _, value in saved["specter_log_lines_total/x"]["series"]) == counted
    again = Store(json.loads(json.dumps(saved)))
    assert again.save() == Store(json.loads(json.dumps(again.save()))).save()
    return {labels[0]: value for labels, value in saved["specter_log_malformed_lines_total/x"]["series"]}


@settings(max_examples=300, deadline=None)
@given(value=st.one_of(JSON_VALUES, st.text()))
def test_any_value_as_number_label_and_time(value: object) -> None:
    number = as_number(value)
    assert number is None or 0 <= number < float("inf")
    assert as_label(value).isprintable()
    moment = parse_time(value)
    assert moment is None or moment >= 946_684_800


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=500))
def test_masking_any_text_twice_changes_nothing_more(text: str) -> None:
    masked = mask_secrets(text, addresses=True)
    assert isinstance(mask_secrets(masked, addresses=True), str)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.sampled_from(
            ["write", "read", "save", "kill", "rename", "copytruncate", "vanish", "return", "wait"]
        ),
        max_size=30,
    )
)
def test_any_order_of_writing_rotating_and_killing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    _Story(tmp_path_factory.mktemp("story")).play(steps)


class _Story:
    """A log, its writer and its reader."""

    def __init__(self, folder: Path) -> None:
        self.log, self.state, self.hidden = folder / "app.log", folder / "state", folder / "hidden"
        self.config = (
            f"logs:\n  - name: x\n    files: ['{self.log}']\n    format: json\n    start: beginning\n"
            "    templates: false\n"
        )
        self.written = self.rotations = 0
        self._write()
        self.reading = Reading(self.config, self.state).read()

    def play(self, steps: list[str]) -> None:
        for step in steps:
            getattr(self, f"_{step}")()
        if self.hidden.exists():
            self._return()
        for _ in range(3):
            self.reading.read()
        assert self.reading.read(40).lines == self.written, steps
        if "vanish" not in steps:
            assert self.reading.value("specter_log_lost_files_total") == 0, steps
        self.reading.kill()

    def _write(self) -> None:
        target = self.hidden if self.hidden.exists() else self.log
        with target.open("a", encoding="utf-8") as file:
            file.write(numbered(self.written, 7))
        self.written += 7

    def _read(self) -> None:
        self.reading.read(0.5)

    def _wait(self) -> None:
        self.reading.read(40)

    def _save(self) -> None:
        self.reading.exporter.save()

    def _kill(self) -> None:
        clock = self.reading.clock
        self.reading.kill()
        self.reading = Reading(self.config, self.state, clock=clock)

    def _rename(self) -> None:
        self._rotate(self.log.rename)

    def _copytruncate(self) -> None:
        def rotate(target: Path) -> None:
            target.write_bytes(self.log.read_bytes())
            os.truncate(self.log, 0)

        self._rotate(rotate)

    def _rotate(self, how: "object") -> None:
        if not self.log.exists() or not self.log.stat().st_size:
            return
        for number in range(self.rotations, 0, -1):
            Path(f"{self.log}.{number}").rename(f"{self.log}.{number + 1}")
        how(Path(f"{self.log}.1"))  # type: ignore[operator]
        self.rotations += 1
        if not self.log.exists():
            self.log.touch()

    def _vanish(self) -> None:
        if self.log.exists():
            self.reading.read()  # what is unknown and away cannot be found
            self.reading.exporter.save()
            self.log.rename(self.hidden)

    def _return(self) -> None:
        if self.hidden.exists() and not self.log.exists():
            self.hidden.rename(self.log)
            self.reading.read()  # likewise what was away for long, returns and is rotated at once
