"""The coaching service as the demo knows it: its Node.js, its visitors, its made-up past."""

import json
import random
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from specter_demo.coaching.node import (
    SOURCE,
    NodeError,
    find_node,
    find_runtime,
    installed_packages,
)
from specter_demo.coaching.past import METHODS, Answers, bucket_shares, coaching_past
from specter_demo.coaching.traffic import ROUTES, CoachingShape, CoachingVisitors
from specter_demo.history.calibration import BOUNDS
from specter_demo.settings import CHECKOUT
from specter_demo.traffic.shape import TrafficShape

DAY = 86400.0
A_WEEK = np.arange(1_700_000_000.0, 1_700_000_000.0 + 7 * DAY, 300.0)


def program(folder: Path, name: str, script: str) -> str:
    """Put a program called `name` into `folder`, and return a PATH on which nothing else is."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    file.chmod(0o755)
    return str(folder)


# --- Node.js ---


@pytest.mark.parametrize("version", ["v18.19.0", "v20.20.2", "v22.0.0"])
def test_a_node_that_is_new_enough_is_found(tmp_path: Path, version: str) -> None:
    path = program(tmp_path, "node", f"print({version!r})")
    assert find_node(path) == tmp_path / "node"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("print('v18.18.2')", "is v18.18.2; 18.19 or later is needed"),
        ("print('v8.0.0')", "is v8.0.0; 18.19 or later is needed"),
        ("", "is of no known version; 18.19 or later is needed"),
    ],
)
def test_a_node_that_is_too_old_is_named_with_its_version(tmp_path: Path, script: str, message: str) -> None:
    path = program(tmp_path, "node", script)
    with pytest.raises(NodeError, match=re.escape(f"{tmp_path / 'node'} {message}")):
        find_node(path)


def test_without_node_the_message_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"node is not on PATH; install Node\.js 18\.19 or later with npm"):
        find_node(str(tmp_path))


def test_the_oldest_node_is_the_one_that_package_json_names() -> None:
    package = json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))
    assert package["engines"] == {"node": ">=18.19"}


def test_a_demo_without_node_says_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    assert find_runtime(said.append) is None
    (line,) = said
    assert line == (
        "Coaching: node is not on PATH; install Node.js 18.19 or later with npm; "
        "the demo goes on without its Node service"
    )


# --- packages ---

INSTALLS = """
import pathlib, sys
lock = pathlib.Path("package-lock.json").read_bytes()
pathlib.Path("node_modules").mkdir()
pathlib.Path("node_modules/lock").write_bytes(lock)
pathlib.Path("node_modules/options").write_text(" ".join(sys.argv[1:]))
"""


def test_packages_are_installed_once_by_the_lock(tmp_path: Path) -> None:
    path, cache = program(tmp_path / "bin", "npm", INSTALLS), tmp_path / "cache"
    said: list[str] = []
    packages = installed_packages(said.append, cache, path=path)
    assert (packages / "lock").read_bytes() == (SOURCE / "package-lock.json").read_bytes()
    options = (packages / "options").read_text(encoding="utf-8").split()
    assert options[0] == "ci"
    assert {"--ignore-scripts", "--prefer-offline", "--fetch-retries=0"} <= set(options)
    assert said == ["installing the packages of the coaching service with npm, once; up to a minute"]
    assert [entry.name for entry in cache.iterdir()] == [packages.parent.name]

    assert installed_packages(said.append, cache, path=str(tmp_path)) == packages, "npm is not asked again"
    assert len(said) == 1


FAILS = "import sys; sys.exit('npm error code ECONNREFUSED\\nnpm error FetchError: request failed')"
HANGS = "import time; time.sleep(60)"


@pytest.mark.parametrize(
    ("script", "seconds", "message"),
    [
        (FAILS, 20.0, "npm cannot install its packages: FetchError: request failed"),
        ("raise SystemExit(1)", 20.0, "npm cannot install its packages: it says nothing"),
        (HANGS, 0.3, "npm has not installed its packages within 0 s"),
    ],
)
def test_an_npm_that_fails_is_quoted_and_leaves_nothing(
    tmp_path: Path, script: str, seconds: float, message: str
) -> None:
    path, cache = program(tmp_path / "bin", "npm", script), tmp_path / "cache"
    with pytest.raises(NodeError, match=re.escape(message)):
        installed_packages(lambda _: None, cache, path=path, seconds=seconds)
    assert not list(cache.iterdir())


def test_packages_need_an_npm_the_first_time(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="npm is not on PATH"):
        installed_packages(lambda _: None, tmp_path / "cache", path=str(tmp_path))


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "npm", INSTALLS)
    (tmp_path / "cache").write_text("a file in the way", encoding="utf-8")
    with pytest.raises(NodeError, match=re.escape(f"its packages cannot be kept in {tmp_path / 'cache'}")):
        installed_packages(lambda _: None, tmp_path / "cache", path=path)


# --- visitors ---


def test_the_coach_gets_its_share_at_the_hours_of_the_shop() -> None:
    shop = TrafficShape(utc_offset_hours=3.0)
    total = shop.total(A_WEEK)
    for route, share in ROUTES.items():
        rate = CoachingShape(shop).rate(route, A_WEEK)
        # The slow noise is at most 4 % either way, of the shop's as of the coach's.
        assert rate / total == pytest.approx(np.full(len(A_WEEK), share), rel=0.09)
        assert np.std(rate / total) > 0.002 * share, "its noise is its own"


def test_visitors_ask_for_what_the_service_has() -> None:
    visitors = CoachingVisitors(random.Random(1))
    source = (SOURCE / "service.js").read_text(encoding="utf-8")
    topics: Counter[str] = Counter()
    for route, method in METHODS.items():
        assert f'app.{method.lower()}("{route}"' in source
        pattern = re.sub(r":\w+", r"([a-z0-9]+)", route)
        for _ in range(50):
            request = visitors.request(route)
            match = re.fullmatch(pattern, request.path)
            assert match
            assert request.method == method
            assert request.source.startswith("198.1")
            topics[match[1]] += route.startswith("/advice")
    assert len(+topics) == 6


# --- the past ---


def test_the_past_has_every_route_of_visitors_and_no_error() -> None:
    past = coaching_past(TrafficShape())
    assert set(past.calibration.routes) == set(ROUTES) == set(METHODS)
    for route in ROUTES:
        (outcome,) = past.calibration.outcomes[route]
        assert (outcome.method, outcome.route, outcome.status) == (METHODS[route], route, "200")
        assert past.calibration.probabilities[route].shape == (1, len(BOUNDS))
        assert past.calibration.probabilities[route].sum() == pytest.approx(1.0)
    # What is never in the past must not be usual in the present.
    model = json.loads((SOURCE / "model.json").read_text(encoding="utf-8"))
    assert model["/sessions/:id/end"]["failed"] == 0


def test_the_shares_of_the_buckets_are_those_of_drawn_times() -> None:
    answers = Answers(median_seconds=0.2, sigma=0.4)
    drawn = 0.2 * np.exp(0.4 * np.random.default_rng(1).normal(size=100_000))
    counted = np.histogram(drawn, bins=[0.0, *BOUNDS])[0] / len(drawn)
    assert bucket_shares(answers) == pytest.approx(counted, abs=0.005)


# --- the page and the files ---


def test_the_page_shows_what_the_demo_scrapes_and_reads() -> None:
    page = (CHECKOUT / "docs/other-languages.md").read_text(encoding="utf-8")
    scraped, read = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    shared = yaml.safe_load((CHECKOUT / "stack/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in shared["scrape_configs"]}
    (shown,) = scraped["scrape_configs"]
    assert shown["metric_relabel_configs"] == jobs[shown["job_name"]]["metric_relabel_configs"]
    assert read == yaml.safe_load(
        (CHECKOUT / "stack/exporters/coaching-logs.yml").read_text(encoding="utf-8")
    )
