"""The presets as declared: they parse, name what they need, and never read the detector's output."""

import math
import re
from collections.abc import Collection

import promql_parser
import pytest

from specter_core import metrics
from specter_core.config import ConfigError, parse_config
from specter_detector import defaults
from specter_detector.config import PresetBudget, default_config, resolve
from specter_detector.crosschecks import find
from specter_detector.models.policy import Policy
from specter_detector.own_output import own_output
from specter_detector.presets.catalogue import PRESETS
from specter_detector.presets.model import PRESET_NAMES, PresetQuery, Source
from specter_detector.presets.resolve import Chosen, Decision, resolve_presets, with_presets
from specter_detector.presets.watch import PresetWatch, told
from specter_detector.prometheus_api import Cost
from specter_detector.reader import RefusedError, SlowError, UnreachableError
from specter_detector.schema import DetectorSchema

QUERIES = [query for preset in PRESETS.values() for query in preset.queries]
SOURCES = [(query, source) for query in QUERIES for source in query.sources]
ALL = pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.alias)
EACH = pytest.mark.parametrize(("query", "source"), SOURCES, ids=lambda part: getattr(part, "alias", ""))


def metrics_read(node: object) -> list[str]:
    """Return the metrics that a syntax tree reads."""
    found: list[str] = []
    if type(node).__name__ == "VectorSelector":
        found.append(str(node.name))  # type: ignore[attr-defined]
    for part in ("expr", "lhs", "rhs", "vector_selector"):
        child = getattr(node, part, None)
        if child is not None:
            found += metrics_read(child)
    for child in getattr(node, "args", None) or []:
        found += metrics_read(child)
    return sorted(set(found))


def test_every_name_has_a_preset_and_no_alias_is_used_twice() -> None:
    assert tuple(PRESETS) == PRESET_NAMES
    aliases = [query.alias for query in QUERIES]
    assert len(aliases) == len(set(aliases))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", alias) for alias in aliases)


@EACH
def test_a_source_parses_and_needs_the_metrics_it_reads(query: PresetQuery, source: Source) -> None:
    assert metrics_read(promql_parser.parse(source.expr)) == sorted(set(source.needs))
    if source.limit is not None:
        promql_parser.parse(source.limit)


@EACH
def test_no_source_reads_what_the_detector_writes(query: PresetQuery, source: Source) -> None:
    document = {"reader": {"queries": {"q": {"expr": source.expr, "limit": source.limit}}}}
    assert find(document) == []
    is_own = own_output(defaults.METRIC_FORMAT)
    assert not any(is_own((("__name__", name),)) for name in source.needs)
    # A selector without a name could match anything.
    assert "__name__" not in source.expr


@ALL
def test_a_query_says_what_matters(query: PresetQuery) -> None:
    low, high = query.data_range
    assert low == 0
    assert query.min_dev > 0, "a quiet service would alarm"
    if query.unit == "ratio" and query.direction != "both":
        assert query.min_dev < 0.5
    if query.unit.endswith("/s") and query.min_rel_dev == 0:
        assert query.direction == "above_expected"
    assert query.title[0].isupper()
    assert query.why[0].islower()
    assert not query.title.endswith(".")
    assert not query.why.endswith(".")
    assert query.step == defaults.STEP
    assert high in {1.0, math.inf}


def test_the_directions_are_those_of_their_kind() -> None:
    directions = {query.alias: query.direction for query in QUERIES}
    assert {alias for alias in directions if "latency" in alias or "_age" in alias} == {
        alias
        for alias in directions
        if ("latency" in alias or "_age" in alias) and directions[alias] == "above_expected"
    }
    assert {alias for alias, direction in directions.items() if direction == "below_expected"} == {
        "node_memory_available", "node_disk_free", "node_inodes_free",
        "rabbitmq_consumers", "job_successes", "cronjob_successes", "pushes",
        "dependency_probe_success", "dependency_check_success",
    }  # fmt: skip
    assert directions["request_rate"] == directions["business_event_rate"] == "both"


def test_http_prefers_the_recorded_layer_under_the_names_that_alerts_know() -> None:
    first = {query.alias: query.sources[0].expr for query in PRESETS["http"].queries}
    assert {alias: first[alias] for alias in metrics.QUERY_SERIES} == metrics.QUERY_SERIES


class FakeServer:
    """Has the metrics `names`; an expression costs what `costs` has for a part of it."""

    def __init__(self, names: set[str], costs: dict[str, Cost | Exception] | None = None) -> None:
        self.names = names
        self.costs = costs or {}
        self.asked: list[str] = []

    def existing(self, names: Collection[str], at: float) -> frozenset[str]:
        return frozenset(self.names) & frozenset(names)

    def cost(self, expr: str, at: float, timeout: float) -> Cost:
        self.asked.append(expr)
        cost = next((cost for part, cost in self.costs.items() if part in expr), Cost(1, 0.01))
        if isinstance(cost, Exception):
            raise cost
        return cost


def decide(server: FakeServer, text: str = "{}", kept: tuple[Chosen, ...] = ()) -> dict[str, Decision]:
    config = resolve(parse_config(text, DetectorSchema, file="d.yml"))
    decisions = resolve_presets(
        config.presets,
        server,
        1000.0,
        budget=config.preset_budget,
        max_series_per_query=config.reader.inherited.max_series,
        own=config.reader.queries,
        kept=kept,
    )
    return {decision.alias: decision for decision in decisions}


LOAD = {"node_load5", "node_cpu_seconds_total"}


def test_only_what_exists_is_on_and_only_that_is_asked() -> None:
    server = FakeServer(LOAD)
    decisions = decide(server)
    on = {alias for alias, decision in decisions.items() if decision.chosen}
    assert on == {"node_cpu_used", "node_load_per_cpu", "node_cpu_iowait"}
    assert len(server.asked) == 3
    assert str(decisions["node_cpu_used"]) == "preset node: node_cpu_used on: 1 series, 0.01 s"
    assert str(decisions["pg_connections"]) == (
        "preset postgres: pg_connections off: no metric specter_pg_connections or pg_stat_activity_count"
    )
    assert decisions["rabbitmq_ready"].reason == (
        "no metric rabbitmq_detailed_queue_messages_ready or rabbitmq_queue_messages_ready"
    )


def test_a_list_of_presets_leaves_the_others_alone() -> None:
    assert set(decide(FakeServer(LOAD), "presets: [signin]")) == {
        "signin_attempt_rate", "signin_failure_rate", "signin_failure_ratio",
    }  # fmt: skip


def test_without_recording_rules_the_instrumentation_itself_is_asked() -> None:
    raw = metrics.HTTP_SERVER_REQUEST_DURATION
    rules = decide(FakeServer({metrics.SERVICE_REQUEST_RATE, raw.count}))["request_rate"].chosen
    alone = decide(FakeServer({raw.count}))["request_rate"].chosen
    older = decide(FakeServer({"http_request_duration_seconds_count"}))["request_rate"].chosen
    assert rules
    assert alone
    assert older
    assert rules.source.expr == "service:http_server_requests:rate1m"
    assert alone.source.expr == "sum by (service, job) (rate(http_server_request_duration_seconds_count[5m]))"
    assert older.source.expr == "sum by (service, job) (rate(http_request_duration_seconds_count[5m]))"


def test_postgresql_is_read_from_either_exporter_and_specters_comes_first() -> None:
    def asked(*names: str) -> dict[str, str]:
        chosen = (each.chosen for each in decide(FakeServer(set(names)), "presets: [postgres]").values())
        return {each.query.alias: each.source.expr for each in chosen if each}

    ours = metrics.PG_CONNECTIONS.name
    assert asked(ours) == asked(ours, "pg_stat_activity_count")
    assert asked(ours) == {
        "pg_connections": "sum by (service, server) (specter_pg_connections)",
        "pg_active_connections": 'sum by (service, server) (specter_pg_connections{state="active"})',
        "pg_idle_in_transaction": (
            'sum by (service, server) (specter_pg_connections{state=~"idle in transaction.*"})'
            " or 0 * sum by (service, server) (specter_pg_connections)"
        ),
    }
    assert asked("pg_stat_activity_count")["pg_connections"] == (
        "sum by (service, job, instance) (pg_stat_activity_count)"
    )


def test_what_is_read_of_specters_exporters_is_by_labels_that_they_have() -> None:
    declared = {each.name: each.labels for each in vars(metrics).values() if isinstance(each, metrics.Metric)}
    for query in (*PRESETS["postgres"].queries, *PRESETS["jobs"].queries):
        for source in query.sources:
            own = [name for name in source.needs if name.startswith("specter_")]
            by = {label for found in re.findall(r"by \((.+?)\)", source.expr) for label in found.split(", ")}
            assert all(by - {"service"} <= set(declared[name]) for name in own), query.alias


def test_service_level_queries_come_first_and_details_get_what_is_left() -> None:
    series = {'node_cpu_seconds_total{mode="iowait"}': Cost(3, 0.0)}
    decisions = decide(FakeServer(LOAD, dict(series)), "preset_budget: {max_series: 4}")
    assert decisions["node_load_per_cpu"].chosen
    assert decisions["node_cpu_used"].chosen
    assert decisions["node_cpu_iowait"].reason == ("has 3 series, and 2 are left of the budget's max_series")


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        (Cost(0, 0.0), "has no series now"),
        (Cost(5, 2.5), "took 2.5 s, max_query_seconds is 2"),
        (Cost(1001, 0.1), "has 1001 series, max_series_per_query is 1000"),
        (SlowError("late"), "takes more than max_query_seconds (2)"),
        (RefusedError("bad_data: no"), "bad_data: no"),
    ],
)
def test_what_costs_too_much_stays_off_and_says_why(cost: Cost | Exception, reason: str) -> None:
    decision = decide(FakeServer(LOAD, {"node_load5": cost}))["node_load_per_cpu"]
    assert (decision.chosen, decision.reason) == (None, reason)


def test_a_slow_server_is_left_alone_after_three_questions() -> None:
    every = {metric for query in QUERIES for source in query.sources for metric in source.needs}
    server = FakeServer(every, {"": SlowError("late")})
    decisions = decide(server)
    assert len(server.asked) == 3
    assert decisions["node_disk_busy"].reason == "not asked, because the server is slow now"


def test_own_queries_win_by_name_and_by_expression() -> None:
    own = "{node_cpu_used: {expr: my_cpu}, rate: {expr: ' service:http_server_requests:rate1m'}}"
    text = f"reader: {{queries: {own}}}"
    decisions = decide(FakeServer(LOAD | {metrics.SERVICE_REQUEST_RATE}), text)
    assert decisions["node_cpu_used"].reason == "the configuration has a query of this name"
    assert decisions["request_rate"].reason == "the configuration's query rate asks the same"


def test_a_chosen_query_inherits_and_brings_its_own_model() -> None:
    text = "reader: {tz: Europe/Berlin, max_age: 3m, holidays: {country: DE}}"
    config = resolve(parse_config(text, DetectorSchema, file="d.yml"))
    chosen = [each.chosen for each in decide(FakeServer({"node_load5", "node_cpu_seconds_total"})).values()]
    merged = with_presets(config, [each for each in chosen if each])
    query = merged.reader.queries["node_load_per_cpu"]
    assert (query.tz, query.max_age, query.holidays.country) == ("Europe/Berlin", 180.0, "DE")
    assert (query.step, query.data_range) == (300.0, (0.0, math.inf))
    model = merged.models["node_load_per_cpu"]
    assert model.policy == Policy("above_expected", (0.5, 0.5), (0.5, 0.5))
    assert (model.queries, model.schedulers) == (("node_load_per_cpu",), ("default",))
    assert merged.models["default"] == config.models["default"]


def test_a_preset_model_does_not_take_the_place_of_an_own_one() -> None:
    text = "reader: {queries: {q: {expr: x}}}\nmodels: {node_cpu_used: {queries: [q]}}"
    config = resolve(parse_config(text, DetectorSchema, file="d.yml"))
    chosen = decide(FakeServer(LOAD), text)["node_cpu_used"].chosen
    assert chosen
    merged = with_presets(config, [chosen])
    assert merged.models["node_cpu_used"].queries == ("q",)
    assert merged.models["preset_node_cpu_used"].queries == ("node_cpu_used",)


def test_later_metrics_are_picked_up_and_vanished_ones_stay_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server = FakeServer({"node_load5", "node_cpu_seconds_total"})
    watch = PresetWatch(default_config("http://127.0.0.1:9090"))
    assert watch.due(0.0)
    assert len(watch.check(0.0, server)) == 3
    assert "preset postgres off: none of its metrics exist" in caplog.messages
    assert not watch.due(3599.0)
    assert watch.due(3600.0)
    caplog.clear()
    server.names = {"pg_stat_activity_count"}
    new = watch.check(3600.0, server)
    assert [chosen.query.alias for chosen in new] == [
        "pg_connections", "pg_active_connections", "pg_idle_in_transaction",
    ]  # fmt: skip
    assert set(watch.config.reader.queries) == {
        "node_cpu_used", "node_load_per_cpu", "node_cpu_iowait",
        "pg_connections", "pg_active_connections", "pg_idle_in_transaction",
    }  # fmt: skip
    # Nothing is told twice.
    assert not [line for line in caplog.messages if line.startswith("preset http")]
    caplog.clear()
    assert watch.check(7200.0, server) == ()
    assert caplog.messages == []


def test_an_unreachable_server_is_asked_again_in_a_minute() -> None:
    class Away(FakeServer):
        def existing(self, names: Collection[str], at: float) -> frozenset[str]:
            raise UnreachableError("away")

    watch = PresetWatch(default_config("http://127.0.0.1:9090"))
    with pytest.raises(UnreachableError):
        watch.check(0.0, Away(set()))
    assert not watch.due(59.0)
    assert watch.due(60.0)


def test_one_line_stands_for_a_preset_of_which_nothing_exists() -> None:
    lines = told(list(decide(FakeServer(set())).values()))
    assert list(lines.values()) == [f"preset {name} off: none of its metrics exist" for name in PRESET_NAMES]


def test_the_configuration_takes_presets_and_a_budget() -> None:
    config = resolve(
        parse_config(
            "presets: [node, http]\npreset_budget: {max_series: 9, max_query_seconds: 0.5}",
            DetectorSchema,
            file="d.yml",
        )
    )
    assert config.presets == ("node", "http")
    assert config.preset_budget == PresetBudget(9, 0.5)
    assert default_config("http://h:1").presets == PRESET_NAMES
    assert resolve(parse_config("presets: auto", DetectorSchema, file="d.yml")).presets == PRESET_NAMES
    own = "presets: []\nreader: {queries: {q: {expr: x}}}"
    assert resolve(parse_config(own, DetectorSchema, file="d.yml")).presets == ()


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("presets: all", "presets", "expected auto or a list of presets"),
        ("presets: [nodes]", "presets[0]", "'http', 'node', 'postgres'"),
        ("presets: []", "presets", "there is nothing to watch"),
        ("preset_budget: {max_series: 0}", "preset_budget.max_series", "expected at least 1 (found 0)"),
    ],
)
def test_wrong_presets_are_refused(text: str, path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, DetectorSchema, file="d.yml")
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message
