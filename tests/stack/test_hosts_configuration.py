"""`stack/hosts`: what is shipped for hosts is valid, and takes the processes that it names."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from specter_alerts.settings import DEFAULTS
from specter_stack.programs import find_program

HOSTS = Path(__file__).parents[2] / "stack" / "hosts"
DOCUMENT = HOSTS.parents[1] / "docs" / "hosts.md"
# (comm, command line) as process-exporter sees them, and the group.
PROCESSES = [
    ("PM2 v7.0.4: God", "PM2 v7.0.4: God Daemon (/home/app/.pm2)", "pm2"),
    ("node /srv/shop/", "node /srv/shop/server.js", "node"),
    ("node", "/usr/bin/node --enable-source-maps dist/main.mjs --port 80", "node"),
    ("gunicorn", "/srv/bin/python /srv/bin/gunicorn -w 2 shop:app", "gunicorn"),
    ("gunicorn: maste", "gunicorn: master [shop:app]", "gunicorn"),
    ("uvicorn", "/srv/bin/python /srv/bin/uvicorn shop:app --port 80", "uvicorn"),
    ("celery", "/srv/bin/python /srv/bin/celery -A shop worker -c 2", "celery"),
    ("python", "[celeryd: celery@web-1:MainProcess] -active- (worker)", "celery"),
    ("celery", "/srv/bin/python /srv/bin/celery -A shop beat", "celery-beat"),
    ("python", "[celery beat]", "celery-beat"),
    ("postgres", "postgres: 15/main: checkpointer", "postgres"),
    ("redis-server", "redis-server 127.0.0.1:6379", "redis"),
    ("beam.smp", "/usr/lib/erlang/erts-13.1/bin/beam.smp -W w -- -root /usr/lib/erlang rabbit", "rabbitmq"),
    ("nginx", "nginx: master process /usr/sbin/nginx", "nginx"),
    # What comes and goes belongs to no group, or its end would be an alert.
    ("node", "node /usr/bin/pm2 list", None),
    ("npm", "npm run build", None),
    ("vim", "vim /srv/shop/celery.py", None),
    ("celery", "/srv/bin/python /srv/bin/celery -A shop inspect active", None),
    ("psql", "psql postgres", None),
]


def configuration(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((HOSTS / name).read_text(encoding="utf-8"))
    return document


def group_of(comm: str, command_line: str) -> str | None:
    """Choose as process-exporter does: the first entry of which comm (any) and cmdline (all) match."""
    for entry in configuration("process-exporter.yml")["process_names"]:
        if "comm" in entry and comm not in entry["comm"]:
            continue
        if all(re.search(pattern, command_line) for pattern in entry.get("cmdline", [])):
            return str(entry["name"])
    return None


@pytest.mark.parametrize(("comm", "command_line", "group"), PROCESSES)
def test_processes_are_taken_by_their_titles(comm: str, command_line: str, group: str | None) -> None:
    assert group_of(comm, command_line) == group


def test_every_entry_has_a_fixed_name_of_its_own_and_selects() -> None:
    entries = configuration("process-exporter.yml")["process_names"]
    names = [entry["name"] for entry in entries]
    assert len(set(names)) == len(names)
    for entry in entries:
        assert "{{" not in entry["name"]
        assert set(entry) - {"name"} <= {"comm", "cmdline"}
        assert len(entry) > 1


def test_data_stores_that_may_grow_are_groups() -> None:
    names = {entry["name"] for entry in configuration("process-exporter.yml")["process_names"]}
    assert set(DEFAULTS.group_data_stores.split("|")) - {"prometheus"} <= names


def test_jobs_are_those_of_the_rules_and_every_target_says_whose_host_it_is() -> None:
    jobs = configuration("scrape.yml")["scrape_configs"]
    assert "|".join(job["job_name"] for job in jobs) == DEFAULTS.host_jobs
    hosts = {
        job["job_name"]: {
            (target["labels"]["service"], target["labels"]["instance"]) for target in job["static_configs"]
        }
        for job in jobs
    }
    assert hosts["node"] == hosts["process"] == {("shop", "web-1"), ("shop", "web-2")}
    assert hosts["pm2"] <= hosts["node"]
    assert all(target["targets"] for job in jobs for target in job["static_configs"])


@pytest.mark.integration
def test_promtool_accepts_the_jobs() -> None:
    checked = subprocess.run(
        [str(find_program("promtool")), "check", "config", str(HOSTS / "scrape.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.integration
def test_node_exporter_knows_the_flags_of_the_document() -> None:
    flags = set(re.findall(r"--collector\.[\w.-]+", DOCUMENT.read_text(encoding="utf-8")))
    assert "--collector.systemd.unit-include" in flags
    helped = subprocess.run(
        [str(find_program("node_exporter")), "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    known = set(re.findall(r"--(?:\[no-\])?(collector\.[\w.-]+)", helped.stdout + helped.stderr))
    assert {flag.removeprefix("--") for flag in flags} <= known
