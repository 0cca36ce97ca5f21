"""What is exposed of a third party: a real server, a real scrape of the exporter's registry."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from specter_exporters.app.exposition import answer
from specter_exporters.dependencies.collector import DependencyCollector
from specter_exporters.dependencies.config import load
from specter_exporters.dependencies.credentials import jwt_expiry, moment
from specter_exporters.dependencies.model import Dependencies
from specter_exporters.dependencies.results import CheckResult, Result, Results, StepResult
from specter_exporters.dependencies.runner import Job, Runner, jobs
from tests.exporters.serving import until
from tests.servers.third_party import PASSWORD, ThirdParty, third_party

CONFIG = """\
dependencies:
  - name: payments
    url: {url}/health
    criticality: critical
    timeout: 2s
    expect: {{latency: 500ms}}
    status_page: {url}
    check:
      secrets: {{password: {{file: password}}}}
      steps:
        - name: sign_in
          method: POST
          url: {url}/login
          form: {{user: specter, password: "${{password}}"}}
          extract: {{token: {{json: data.tokens.0}}}}
        - name: orders
          url: {url}/orders
          headers: {{Authorization: "Bearer ${{token}}"}}
          expect: {{status: [200], body: "[0-9]+ orders"}}
    credential:
      url: {url}/me
      headers: {{Authorization: "Bearer ${{secret}}"}}
      secret: {{env: THIRD_PARTY_TOKEN}}
      expiry: {expiry}
"""
HEADER = "{header: token-expiration}"
EXPIRES = 1893553445.0  # 2030-01-02 03:04:05 UTC


@pytest.fixture
def party() -> Iterator[ThirdParty]:
    with third_party() as running:
        running.publish()
        yield running


@pytest.fixture
def config(party: ThirdParty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dependencies:
    monkeypatch.setenv("THIRD_PARTY_TOKEN", party.token)
    (tmp_path / "password").write_text(PASSWORD)
    return listed(tmp_path, party.url)


def listed(folder: Path, url: str, expiry: str = HEADER) -> Dependencies:
    (folder / "dependencies.yml").write_text(CONFIG.format(url=url, expiry=expiry))
    return load(folder / "dependencies.yml")


class Asked:
    """The exporter without its threads: `ask` runs everything once."""

    def __init__(self, config: Dependencies, now: float = 1000.0) -> None:
        self.results = Results()
        self.registry = CollectorRegistry()
        self.registry.register(DependencyCollector(config, self.results))
        self.jobs = jobs(config)
        self.now = now
        for job in self.jobs:
            self.results.plan(job.dependency, job.kind, now)

    def ask(self) -> None:
        self.now += 10
        for job in self.jobs:
            self.results.put(job.dependency, job.kind, job.run(), self.now)

    def value(self, name: str, **labels: str) -> float | None:
        full = {"dependency": "payments", **labels}
        return self.registry.get_sample_value(f"specter_dependency_{name}", full)

    def series(self, name: str) -> list[dict[str, str]]:
        return [
            sample.labels
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == f"specter_dependency_{name}"
        ]


def test_a_healthy_dependency(config: Dependencies) -> None:
    asked = Asked(config)
    asked.ask()
    assert asked.value("info", criticality="critical") == 1
    assert asked.value("latency_limit_seconds") == 0.5
    assert asked.value("tls_expiry_warning_seconds") is None  # there is no TLS
    assert asked.value("check_success") == 1
    assert [asked.value("step_success", step=step) for step in ("sign_in", "orders")] == [1, 1]
    duration = asked.value("check_duration_seconds")
    assert duration is not None
    assert 0 < duration < 2
    assert asked.value("credential_valid") == 1
    assert asked.value("credential_expiry_timestamp_seconds") == EXPIRES
    assert asked.value("status_page_up") == 1
    assert asked.value("vendor_status", indicator="none") == 1
    assert asked.value("vendor_status", indicator="major") == 0
    assert asked.value("unresolved_incidents") == 1
    assert asked.value("components", component_status="operational") == 1
    assert asked.value("components", component_status="partial_outage") == 1  # the group is not counted
    assert asked.series("failure") == []
    for kind in ("steps", "credential", "status_page"):
        assert asked.value("last_run_timestamp_seconds", kind=kind) == 1010
        assert asked.value("runs_total", kind=kind) == 1
        assert asked.value("failed_runs_total", kind=kind, reason="timeout") == 0


def test_nothing_is_claimed_before_the_first_run(config: Dependencies) -> None:
    asked = Asked(config)
    names = {sample.name for family in asked.registry.collect() for sample in family.samples}
    assert {name.removeprefix("specter_dependency_") for name in names} == {
        "info",
        "latency_limit_seconds",
        "next_run_timestamp_seconds",
        "runs_total",
        "failed_runs_total",
    }


def test_a_step_that_fails_ends_the_check_and_names_its_reason(
    config: Dependencies, party: ThirdParty
) -> None:
    asked = Asked(config)
    asked.ask()
    party.token = "another"
    party.pages.pop("/api/v2/status.json")
    Path(config.dependencies[0].check.secrets["password"].file).write_text("wrong")  # type: ignore[union-attr,arg-type]
    asked.ask()
    assert asked.value("check_success") == 0
    assert asked.value("step_success", step="sign_in") == 0
    assert asked.value("step_success", step="orders") is None
    assert asked.value("failure", kind="steps", step="sign_in", reason="status") == 1
    assert asked.value("failed_runs_total", kind="steps", reason="status") == 1
    assert asked.value("credential_valid") == 0
    assert asked.value("failure", kind="credential", step="", reason="auth") == 1
    assert asked.value("status_page_up") == 0
    assert asked.value("status_page_last_success_timestamp_seconds") == 1010
    assert asked.series("vendor_status") == []  # unknown is not operational
    assert asked.series("unresolved_incidents") == []


def test_a_credential_is_unknown_and_not_invalid_while_the_vendor_fails(
    config: Dependencies, party: ThirdParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(config)
    asked.ask()
    monkeypatch.setenv("THIRD_PARTY_TOKEN", "")
    asked.ask()
    assert asked.value("credential_valid") is None
    assert asked.value("failure", kind="credential", step="", reason="invalid") == 1
    assert asked.value("credential_expiry_timestamp_seconds") == EXPIRES  # that it was read is still true


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html>maintenance</html>", "invalid"),
        ({"status": {"indicator": "purple"}}, "invalid"),
        ([], "invalid"),
        (b"[" * 100_000, "invalid"),
        (b"a" * 2_000_000, "body"),
    ],
)
def test_a_status_page_that_makes_no_sense_is_unknown(
    config: Dependencies, party: ThirdParty, document: object, reason: str
) -> None:
    party.page("/api/v2/status.json", document)
    asked = Asked(config)
    asked.ask()
    assert asked.value("status_page_up") == 0
    assert asked.value("failure", kind="status_page", step="status", reason=reason) == 1
    assert asked.series("vendor_status") == []


def test_components_that_cannot_be_read_leave_the_status(config: Dependencies, party: ThirdParty) -> None:
    party.publish("major")
    party.page("/api/v2/components.json", {"components": "none"})
    asked = Asked(config)
    asked.ask()
    assert asked.value("vendor_status", indicator="major") == 1
    assert asked.series("components") == []
    assert asked.series("failure") == [
        {"dependency": "payments", "kind": "status_page", "step": "components", "reason": "invalid"}
    ]


def test_components_of_any_kind_are_read(config: Dependencies, party: ThirdParty) -> None:
    (dependency,) = config.dependencies
    assert dependency.status_page is not None
    used = replace(dependency.status_page, components=frozenset({"API"}))
    odd = [{"name": ["API"], "status": "operational"}, {"name": "API", "status": {}}, {"name": None}, "API"]
    party.page("/api/v2/components.json", {"components": odd})
    asked = Asked(replace(config, dependencies=(replace(dependency, status_page=used),)))
    asked.ask()
    assert asked.value("components", component_status="other") == 1
    assert asked.value("components", component_status="operational") == 0


def test_the_expiry_of_an_answer_and_of_a_token(
    party: ThirdParty, config: Dependencies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(listed(tmp_path, party.url, "{json: token.expires_at}"))
    asked.ask()
    assert asked.value("credential_expiry_timestamp_seconds") == 1924992000
    token = jwt({"exp": 1900000000})
    monkeypatch.setenv("THIRD_PARTY_TOKEN", token)  # not the one that the server knows
    asked = Asked(listed(tmp_path, party.url, "{jwt: true}"))
    asked.ask()
    assert asked.value("credential_valid") == 0
    assert asked.value("credential_expiry_timestamp_seconds") == 1900000000


def jwt(claims: object) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)
    ]
    return ".".join([*parts, "signature"])


@pytest.mark.parametrize(
    "token",
    ["", "a.b", "a.!.c", "a.e30.c", jwt([]), jwt({"exp": "soon"}), jwt({"exp": -1}), jwt({"exp": True})],
)
def test_a_token_without_an_end(token: str) -> None:
    assert jwt_expiry(token) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1893553445, EXPIRES),
        (1893553445000, EXPIRES),
        ("1893553445", EXPIRES),
        ("2030-01-02T03:04:05Z", EXPIRES),
        ("2030-01-02T04:04:05+01:00", EXPIRES),
        ("2030-01-02 03:04:05", EXPIRES),
        ("2030-01-02 03:04:05 UTC", EXPIRES),
        ("Wed, 02 Jan 2030 03:04:05 GMT", EXPIRES),
        ("never", None),
        (None, None),
        (float("nan"), None),
        (1e300, None),
        (10**400, None),
        ("0001-01-01T00:00:00Z", None),
        (f"Wed, 02 Jan 2030 03:04:05 +{'9' * 30}", None),
    ],
)
def test_moments(value: object, expected: float | None) -> None:
    assert moment(value) == expected


@pytest.mark.parametrize(("refused", "valid", "reason"), [([], None, "status"), ([302], 0, "auth")])
def test_a_redirect_to_a_page_for_signing_in_does_not_make_a_credential_valid(
    party: ThirdParty, config: Dependencies, refused: list[int], valid: float | None, reason: str
) -> None:
    party.page("/api", b"", 302, Location="/sign-in")
    party.page("/sign-in", b"<form>")
    [payments] = config.dependencies
    assert payments.credential is not None
    call = replace(payments.credential.call, url=f"{party.url}/api")
    credential = replace(payments.credential, call=call, refused=frozenset(refused))
    asked = Asked(replace(config, dependencies=(replace(payments, credential=credential),)))
    asked.ask()
    assert asked.value("credential_valid") == valid
    assert asked.value("failure", kind="credential", step="", reason=reason) == 1


def test_a_secret_that_no_header_can_hold_is_told_as_invalid(
    config: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THIRD_PARTY_TOKEN", "\u4f60\u597d")
    asked = Asked(config)
    asked.ask()
    assert asked.value("failure", kind="credential", step="", reason="invalid") == 1


def exposition(registry: CollectorRegistry) -> str:
    return answer(registry, "GET", "").body.decode()


def test_no_secret_is_exposed_or_logged(
    config: Dependencies, party: ThirdParty, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = Asked(config)
    asked.ask()
    party.token = "changed"
    asked.ask()
    said = exposition(asked.registry) + caplog.text + repr(config)
    assert [secret for secret in (PASSWORD, "good-token", "issued-token") if secret in said] == []


# --- the schedule ---


def counting(name: str, interval: float, run: Callable[[], Result]) -> Job:
    return Job(name, "steps", interval, run)


def test_jobs_run_again_and_again_and_one_that_breaks_off_stops_nobody() -> None:
    ran: dict[str, int] = {"fine": 0, "broken": 0}
    results = Results()

    def fine() -> Result:
        ran["fine"] += 1
        return CheckResult((StepResult("a", 0.1),))

    def broken() -> Result:
        ran["broken"] += 1
        raise RuntimeError("a defect")

    runner = Runner([counting("fine", 0.02, fine), counting("broken", 0.02, broken)], results, concurrency=1)
    runner.start()
    try:
        until(lambda: ran["fine"] >= 3 and ran["broken"] >= 3, "three runs each")
    finally:
        runner.stop()
    runs = results.snapshot()
    assert runs["fine", "steps"].runs >= 2
    assert runs["broken", "steps"].result is None


def test_no_more_run_at_once_than_allowed_and_none_twice() -> None:
    lock, free = threading.Lock(), threading.Event()
    now: list[str] = []
    most: list[int] = []

    def job(name: str) -> Job:
        def run() -> Result:
            with lock:
                assert name not in now
                now.append(name)
                most.append(len(now))
            free.wait(20)
            with lock:
                now.remove(name)
            return CheckResult(())

        return counting(name, 0.01, run)

    runner = Runner([job(f"d{number}") for number in range(6)], Results(), concurrency=2)
    runner.start()
    try:
        until(lambda: len(most) == 2, "two runs")
        free.set()
        until(lambda: len(most) >= 20, "twenty runs")
    finally:
        runner.stop()
        free.set()
    assert max(most) == 2


def test_the_next_run_is_in_the_past_while_a_run_hangs() -> None:
    free, started = threading.Event(), threading.Event()

    def run() -> Result:
        started.set()
        free.wait(20)
        return CheckResult(())

    results = Results()
    runner = Runner([counting("hung", 60, run)], results, concurrency=1)
    planned = results.snapshot()["hung", "steps"].next_run
    runner.start()
    try:
        assert started.wait(20)
        assert results.snapshot()["hung", "steps"].next_run == planned
        free.set()
        until(lambda: results.snapshot()["hung", "steps"].next_run > planned, "a plan for the next run")
        assert results.snapshot()["hung", "steps"].next_run == pytest.approx(planned + 60, abs=5)
    finally:
        free.set()
        runner.stop()
