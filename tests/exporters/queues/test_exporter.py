"""The running exporter: scraped over HTTP, documented as it is, with few rights, silent about secrets."""

import json
import re
import subprocess
from pathlib import Path

import psutil
import pytest
import redis
import requests

from specter_exporters.queues.exposing import EXPOSED
from specter_stack.programs import find_program
from tests.exporters.serving import exporter, samples, until
from tests.servers.prometheus import free_port
from tests.servers.redis import running_redis

PAGE = (Path(__file__).parents[3] / "docs" / "exporters-queues.md").read_text("utf-8")
PASSWORD = "pass-word-of-the-watcher"


@pytest.mark.integration
def test_the_documented_rights_are_enough_and_no_password_is_anywhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    (tmp_path / "wrong").write_text("another-pass-word\n")
    with running_redis() as server, server.client() as client:
        [granted] = re.findall(r"^ACL SETUSER .*$", PAGE, re.MULTILINE)
        client.execute_command(*granted.replace(">...", f">{PASSWORD}").split())
        with redis.Redis(port=server.port, username="specter", password=PASSWORD) as watcher:
            for writing in (
                ("DEL", "mail"),
                ("LPOP", "mail"),
                ("PUBLISH", "/0.celeryev/x", "y"),
                ("FLUSHALL",),
            ):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    watcher.execute_command(*writing)
        client.sadd("_kombu.binding.mail", "mail\x06\x16\x06\x16mail")
        client.lpush("mail", "a")
        client.sadd("rq:queues", "rq:queue:low")
        client.rpush("rq:queue:low", "job")
        client.sadd("rq:workers", "rq:worker:one")
        client.zadd("rq:failed:low", {"job": 1})
        client.hset("bull:thumbs:meta", "version", "bullmq:5.81.5")
        client.lpush("bull:thumbs:wait", "1")
        client.hset("unacked", "tag", '[{"headers": {}}, "", "mail"]')
        client.zadd("unacked_index", {"tag": 1e9})
        client.xadd("events", {"n": 1})
        client.xgroup_create("events", "mailers", "0")
        address = f"127.0.0.1:{server.port}/0"
        (tmp_path / "queues.yml").write_text(f"""\
redis:
  - name: main
    url: redis://specter@{address}
    password_file: secret
    queues:
      - {{name: one, list: mail, dead_letters: lost}}
      - {{name: due, sorted_set: due}}
      - {{name: events, stream: events}}
  - {{name: refused, url: "redis://specter@{address}", password_file: wrong}}
  - {{name: gone, url: "redis://127.0.0.1:{free_port()}"}}
""")
        state = tmp_path / "state"
        with exporter(tmp_path, "queues", "--config", "queues.yml", "--storage.path", str(state)) as (
            url,
            process,
            log,
        ):
            text = requests.get(f"{url}/metrics", timeout=20).text
            shown = " ".join([*psutil.Process(process.pid).cmdline(), log.read_text(), text])
            shown += requests.get(url, timeout=20).text + (state / "queues.json").read_text()
            until(lambda: client.pubsub_numpat() == 1, "listening to Celery's events")
    seen = samples(text)
    up = {labels[0]: value for (name, labels), value in seen.items() if name == "specter_queue_up"}
    assert up == {"main": 1, "refused": 0, "gone": 0}
    why = {key[1]: key[0] for (name, key), value in seen.items() if name == "specter_queue_failure" and value}
    assert why == {"refused": "auth", "gone": "refused"}
    success = {
        key[0]: value for (name, key), value in seen.items() if name == "specter_queue_collector_success"
    }
    assert success == {"cache": 1, "keys": 1, "celery": 1, "rq": 1, "bullmq": 1}
    named = {key[0] for (name, key) in seen if name == "specter_queue_ready"}
    assert named == {"one", "due", "events/mailers", "mail", "low", "thumbs"}
    assert seen["specter_queue_in_progress", ("mail", "main", "celery")] == 1
    assert seen["specter_queue_ready", ("events/mailers", "main", "stream")] == 1
    assert "WARNING" in log.read_text()
    assert "pass-word" not in shown
    check = [str(find_program("promtool")), "check", "metrics"]
    linted = subprocess.run(check, input=text, text=True, capture_output=True, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def failed(url: str) -> dict[str, float]:
    """Return the failures of each queue."""
    return {
        labels[0]: value
        for (name, labels), value in samples(requests.get(f"{url}/metrics", timeout=20).text).items()
        if name == "specter_queue_failed_total"
    }


@pytest.mark.integration
def test_failures_survive_the_worker_and_the_end_of_the_exporter(tmp_path: Path) -> None:
    options = ("--storage.path", str(tmp_path / "state"))
    with running_redis() as server, server.client() as client:
        client.sadd("_kombu.binding.mail", "mail\x06\x16\x06\x16mail")

        def fail(times: int) -> None:
            until(lambda: client.pubsub_numpat() == 1, "listening to Celery's events")
            event = {"type": "task-failed", "hostname": "celery@gone", "uuid": "1"}
            for _ in range(times):
                client.publish("/0.celeryev/task.failed", json.dumps({"body": json.dumps(event)}))

        with exporter(tmp_path, "queues", "--redis.url", server.url, *options) as (url, process, _):
            fail(3)
            until(lambda: failed(url) == {"mail": 3}, "failures told")
            process.kill()
            process.wait(20)
            process.returncode = 0
        until(lambda: client.pubsub_numpat() == 0, "the end of the exporter")
        with exporter(tmp_path, "queues", "--redis.url", server.url, *options) as (url, _, _):
            assert failed(url) == {"mail": 3}
            fail(1)
            until(lambda: failed(url) == {"mail": 4}, "one more")


def test_every_metric_is_on_the_page_and_no_other() -> None:
    named = set(re.findall(r"\bspecter_(?:queue|cache)_\w+", PAGE))
    assert named - {"specter_queue_up"} <= {metric.name for metric in EXPOSED}
    rows = dict(re.findall(r"^\| `(specter_\w+)` \| ([\w, ]*) \|", PAGE, re.MULTILINE))
    assert rows == {metric.name: ", ".join(metric.labels) for metric in EXPOSED}
