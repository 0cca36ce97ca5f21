"""Pushes of short-lived jobs, as a Pushgateway takes them, by its own client library."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    delete_from_gateway,
    push_to_gateway,
    pushadd_to_gateway,
)
from prometheus_client.exposition import basic_auth_handler

from specter_exporters.jobs.pushed import Group, PushError, Told, decoded, encoded, parse, pushed, told
from specter_exporters.jobs.pushing import grouping_key
from tests.exporters.jobs.serving_jobs import WITHIN, JobsProcess, running_jobs

PAGE = (Path(__file__).parents[3] / "docs" / "exporters-jobs.md").read_text("utf-8")
TOKEN = "a-token-of-those-who-push"
CONFIG = """\
push_token_file: push.token
read_token_file: push.token
jobs: [{name: nightly, every: 1d}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushes")
    (folder / "push.token").write_text(f"{TOKEN}\n")
    return folder


@pytest.fixture(scope="module")
def jobs(folder: Path) -> Iterator[JobsProcess]:
    with running_jobs(folder, CONFIG) as running:
        yield running


def with_password(url: str, method: str, timeout: float, headers: Any, data: bytes) -> Callable[[], None]:
    return basic_auth_handler(url, method, timeout, headers, data, "anybody", TOKEN)


def registry(last_success: float, seconds: float = 12.0) -> CollectorRegistry:
    """Return what a batch job has as the library's documentation says it."""
    found = CollectorRegistry()
    Gauge("job_last_success_unixtime", "Last time a batch job finished.", registry=found).set(last_success)
    Gauge("batch_duration_seconds", "Duration of the job.", registry=found).set(seconds)
    Counter("rows", "Rows written.", ["table"], registry=found).labels("orders").inc(3)
    return found


@pytest.mark.integration
def test_a_run_that_failed_does_not_erase_the_last_success(jobs: JobsProcess) -> None:
    now = float(int(time.time()))
    push_to_gateway(jobs.pings, "nightly", registry(now), {"shard": "a"}, handler=with_password)
    scraped = jobs.scrape()
    assert scraped["job_last_success_unixtime", ("nightly", "a")] == now
    assert scraped["rows_total", ("nightly", "a", "orders")] == 3
    assert scraped["specter_job_runs_total", ("nightly", "success")] == 1
    assert scraped["specter_job_last_duration_seconds", ("nightly",)] == 12
    assert abs(scraped["push_time_seconds", ("nightly", "a")] - time.time()) < 60
    # The library pushes a gauge that was never set as 0.
    push_to_gateway(jobs.pings, "nightly", registry(0.0, 3.0), {"shard": "a"}, handler=with_password)
    scraped = jobs.scrape()
    assert scraped["job_last_success_unixtime", ("nightly", "a")] == now
    assert scraped["batch_duration_seconds", ("nightly", "a")] == 3
    assert scraped["specter_job_runs_total", ("nightly", "failed")] == 1
    assert scraped["specter_job_overdue", ("nightly",)] == 0


@pytest.mark.integration
def test_pushes_outlive_the_exporter_until_they_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "push.token").write_text(f"{TOKEN}\n")
    with running_jobs(tmp_path, CONFIG, killed=True) as first:
        pushadd_to_gateway(first.pings, "short", registry(5.0), handler=with_password)
    with running_jobs(tmp_path, CONFIG) as again:
        scraped = again.scrape()
        assert scraped["job_last_success_unixtime", ("short",)] == 5
        assert ("specter_job_runs_total", ("short", "success")) not in scraped, "no job of ours"
        delete_from_gateway(again.pings, "short", handler=with_password)
        assert not [name for name, labels in again.scrape() if "short" in labels]


@pytest.mark.integration
def test_who_shows_no_token_is_refused_and_slowed_down(jobs: JobsProcess) -> None:
    url = f"{jobs.pings}/metrics/job/nightly"
    statuses = [
        requests.put(url, data="a 1\n", headers={"Authorization": said}, timeout=WITHIN).status_code
        for said in ("", "Bearer of-nothing", "Basic !", *["Bearer x"] * 12)
    ]
    assert statuses[:3] == [401, 401, 401]
    assert statuses[-1] == 429
    read = requests.get(f"{jobs.pings}/api/v1/jobs", timeout=WITHIN)
    assert read.status_code in {401, 429}


@pytest.mark.integration
def test_what_is_kept_of_a_job_is_told_to_who_may_read(jobs: JobsProcess, folder: Path) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    listed = requests.get(f"{jobs.pings}/api/v1/jobs", headers=bearer, timeout=WITHIN).json()
    assert [each["name"] for each in listed["jobs"]] == ["nightly"]
    one = requests.get(f"{jobs.pings}/api/v1/jobs/nightly", headers=bearer, timeout=WITHIN).json()
    assert {each["event"] for each in one["events"]} <= {"success", "failed"}
    assert "uuid" not in one
    assert requests.get(f"{jobs.pings}/api/v1/jobs/x", headers=bearer, timeout=WITHIN).status_code == 404


@pytest.mark.integration
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a{ 1\n", "it is no exposition in the text format"),
        ("specter_job_overdue 1\n", "specter_job_overdue: the name is taken"),
        ("a 1 1700000000000\n", "a: has a timestamp; a push is of now"),
        ("a 1\na 2\n", "a: has a series twice"),
        ("".join(f'a{{b="{n}"}} 1\n' for n in range(501)), "a group may have 500 series"),
        ("# TYPE typed counter\ntyped_total 1\n", "typed: is a gauge of job nightly, and here a counter"),
    ],
)
def test_what_cannot_be_shown_is_refused(jobs: JobsProcess, body: str, said: str) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{jobs.pings}/metrics/job"
    typed = requests.post(
        f"{url}/nightly",
        data="# TYPE typed gauge\ntyped 1\n",
        headers=bearer,
        timeout=WITHIN,
    )
    assert typed.status_code == 200
    answer = requests.put(f"{url}/refused", data=body, headers=bearer, timeout=WITHIN)
    assert (answer.status_code, answer.text) == (400, said)


@pytest.mark.parametrize(
    ("path", "job", "labels"),
    [
        ("/metrics/job/backup", "backup", ()),
        ("/metrics/job/backup/shard/a/host/b", "backup", (("host", "b"), ("shard", "a"))),
        ("/metrics/job@base64/YS9i/path@base64/L3Zhcg", "a/b", (("path", "/var"),)),
    ],
)
def test_the_path_is_the_key_of_a_group(path: str, job: str, labels: tuple[tuple[str, str], ...]) -> None:
    assert grouping_key(path) == (job, labels)


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/job/",
        "/metrics/job/a/b",
        "/metrics/job/a/job/b",
        "/metrics/job/a/__b/c",
        "/metrics/job@base64/=%",
    ],
)
def test_a_path_that_is_no_key_is_refused(path: str) -> None:
    with pytest.raises(PushError):
        grouping_key(path)


GROUP = Group("backup", (("shard", "a"),), {})


def after(*texts: str, replace_all: bool = True) -> Group:
    group = GROUP
    for text in texts:
        group = pushed(group, parse(text), 7.0, replace_all=replace_all)
    return group


def test_put_replaces_all_but_the_last_success_and_post_the_families_that_it_names() -> None:
    texts = ("a 1\nb 2\nx_last_success_timestamp_seconds 50\n", "b 3\n")
    assert {name: set(each.values.values()) for name, each in after(*texts).families.items()} == {
        "b": {3.0},
        "x_last_success_timestamp_seconds": {50.0},
    }
    assert set(after(*texts, replace_all=False).families) == {"a", "b", "x_last_success_timestamp_seconds"}
    newer = after(texts[0], "x_last_success_timestamp_seconds 60\n")
    assert set(newer.families["x_last_success_timestamp_seconds"].values.values()) == {60.0}


def test_a_push_tells_of_a_run_by_its_last_success_its_exit_status_and_its_duration() -> None:
    known = after("x_last_success_timestamp_seconds 50\n")
    assert told(known, parse("x_last_success_timestamp_seconds 60\n")) == Told(True)
    assert told(known, parse("x_last_success_timestamp_seconds 50\n")) == Told(None), (
        "a push that is repeated"
    )
    assert told(known, parse("x_last_success_timestamp_seconds 0\n")) == Told(False)
    assert told(GROUP, parse("x_last_success_timestamp_seconds 0\n")) == Told(False)
    assert told(GROUP, parse("job_exit_code 3\njob_duration_seconds 2.5\n")) == Told(False, 3, 2.5)
    assert told(GROUP, parse("job_exit_status 0\n")) == Told(True, 0)
    for none in ("+Inf", "NaN", "-1", "1e308"):
        assert told(GROUP, parse(f"job_exit_code 0\njob_duration_seconds {none}\n")) == Told(True, 0)
    assert told(GROUP, parse("rows 5\n")) == Told(None)


def test_what_the_library_adds_of_its_process_is_left_out() -> None:
    assert set(parse("process_cpu_seconds_total 1\npython_info 1\na 1\n")) == {"a"}


def test_labels_that_are_not_the_job_s_own_are_left_out() -> None:
    [(_, labels)] = parse('a{job="x",job_name="y",b="z"} 1\n')["a"].values
    assert labels == (("b", "z"),)


def test_a_group_is_the_same_again_from_the_store() -> None:
    group = after('# TYPE a gauge\n# HELP a Of b.\na{b="c"} 1\nx_last_success 5\n')
    assert decoded(encoded(group)) == group


def test_series_that_the_key_of_their_group_makes_one_are_refused() -> None:
    assert parse('y{a="1"} 1\n', frozenset("a"))["y"].values == {("y", ()): 1}
    with pytest.raises(PushError, match="has a series twice"):
        parse('y{a="1"} 1\ny{a="2"} 2\n', frozenset("a"))


@pytest.mark.integration
def test_the_example_of_the_page_pushes(jobs: JobsProcess, folder: Path) -> None:
    [example] = re.findall(r"```python\n(.*?push_to_gateway\(.*?)```", PAGE, re.DOTALL)
    text = example.replace("http://127.0.0.1:9855", jobs.pings).replace('"backup"', '"nightly"')
    subprocess.run([sys.executable, "-c", text], cwd=folder, check=True)
    assert abs(jobs.scrape()["backup_last_success_timestamp_seconds", ("nightly",)] - time.time()) < 60
    requests.delete(
        f"{jobs.pings}/metrics/job/nightly", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=WITHIN
    ).raise_for_status()
