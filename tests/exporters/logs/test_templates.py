"""Error messages become few forms, which stay known through restarts and limits."""

import json
import random
from pathlib import Path

import orjson

from specter_exporters.logs.templates import Miner
from tests.exporters.logs.reading import NOW, Reading

CONFIG = """
logs:
  - name: shop
    files: ["{folder}/app.log"]
    format: json
    start: beginning
templates: {{max: 50, exposed: 10, warm_up: 600s}}
"""


def test_messages_that_differ_in_values_are_one_form() -> None:
    miner = Miner(100)
    new = [
        miner.add(f"charge {n} of customer c{n} failed after {n * 7} ms", "error", NOW + n) for n in range(50)
    ]
    assert [template is not None for template in new] == [True] + [False] * 49
    (template,) = miner
    assert miner.text(template) == "charge <*> of customer <*> failed after <*> ms"
    assert (template.count, template.first_seen, template.last_seen) == (50, NOW, NOW + 49)


def test_words_that_vary_become_parameters_and_other_messages_do_not_join() -> None:
    miner = Miner(100)
    for word in ("alpha", "beta", "gamma"):
        miner.add(f"cannot connect to host {word} on port 5432", "error", NOW)
    miner.add("disk is full", "error", NOW)
    assert {miner.text(each): each.count for each in miner} == {
        "cannot connect to host <*> on port <*>": 3,
        "disk is full": 1,
    }


def test_the_same_message_has_the_same_id_on_every_host() -> None:
    first, second = Miner(100), Miner(100)
    second.add("something else", "error", NOW)
    for miner in (first, second):
        miner.add("cannot charge order 17", "error", NOW)
    ids = [{each.template_id for each in miner if "charge" in miner.text(each)} for miner in (first, second)]
    assert ids[0] == ids[1]


def test_forms_are_bounded_and_one_that_comes_back_is_not_new() -> None:
    miner = Miner(50)
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=8)) for _ in range(200)]
    miner.add("the first of all", "error", NOW)
    for n, word in enumerate(words):
        miner.add(" ".join([word] * (n % 5 + 3)), "error", NOW + n)
        assert len(miner) <= 50
    assert miner.add("the first of all", "error", NOW + 1000) is None
    (again,) = [each for each in miner if miner.text(each) == "the first of all"]
    assert again.first_seen == NOW


def test_a_snapshot_has_everything() -> None:
    miner = Miner(50)
    for n in range(40):
        miner.add(f"{'abcdefghij'[n % 10]} failed in {'xyz'[n % 3]} with {n}", "error", NOW + n)
    restored = Miner(50, saved=orjson.loads(orjson.dumps(miner.save())))
    assert [(restored.text(each), each) for each in restored] == [(miner.text(each), each) for each in miner]
    for n in range(40):
        assert restored.add(f"{'abcdefghij'[n % 10]} failed in {'xyz'[n % 3]} with {n}", "error", NOW) is None


def test_new_forms_are_counted_after_the_warm_up_and_through_restarts(tmp_path: Path) -> None:
    log, state, config = tmp_path / "app.log", tmp_path / "state", CONFIG.format(folder=tmp_path)

    def write(*messages: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            for message in messages:
                file.write(json.dumps({"level": "error", "msg": message}) + "\n")

    write("cannot reach the database", "cannot reach the database")
    first = Reading(config, state).read()
    assert first.value("specter_log_new_templates_total") == 0
    assert first.value("specter_log_templates") == 1
    first.read(700)
    write("payment provider says no: 12", "cannot reach the database")
    assert first.read().value("specter_log_new_templates_total") == 1
    seen = first.clock.now
    first.kill()
    second = Reading(config, state, clock=first.clock)
    write("payment provider says no: 13", "a mail bounced")
    second.read(100)
    assert second.value("specter_log_new_templates_total") == 2
    by_text = {str(each["template"]): each for each in second.exporter.templates()}
    assert by_text["payment provider says no: <*>"]["first_seen"] == seen
    assert by_text["payment provider says no: <*>"]["count"] == 2
    template_id = str(by_text["payment provider says no: <*>"]["template_id"])
    exposed = second.value("specter_log_template_first_seen_timestamp_seconds", template_id=template_id)
    assert exposed == seen
    assert second.value("specter_log_template_lines_total", template_id=template_id) == 2


def test_only_the_newest_forms_are_exposed(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    words = ["".join(random.Random(n).choices("abcdefghijkl", k=9)) for n in range(30)]
    lines = [json.dumps({"level": "error", "msg": f"{word} {word} {word}"}) for word in words]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    reading = Reading(CONFIG.format(folder=tmp_path)).read()
    assert reading.value("specter_log_templates") == 30
    assert len(reading.series("specter_log_template_first_seen_timestamp_seconds")) == 10


def test_no_secret_reaches_templates_state_or_list(tmp_path: Path) -> None:
    log, state = tmp_path / "app.log", tmp_path / "state"
    secrets = ["hunter2", "jane@example.com", "4242424242424242"]
    message = f"login of {secrets[1]} with password={secrets[0]} and card {secrets[2]} failed"
    log.write_text(json.dumps({"level": "error", "msg": message}) + "\n", encoding="utf-8")
    reading = Reading(CONFIG.format(folder=tmp_path), state).read()
    reading.exporter.save()
    shown = json.dumps(reading.exporter.templates()) + (state / "state.json").read_text(encoding="utf-8")
    assert "login of" in shown
    assert [secret for secret in secrets if secret in shown] == []
