"""Put the pipeline of a log together from its configuration."""

from dataclasses import dataclass, replace

from specter_exporters.logs.formats.access import access_format
from specter_exporters.logs.formats.custom import regex_format
from specter_exporters.logs.formats.json_lines import JSON, NGINX_JSON
from specter_exporters.logs.formats.model import Format
from specter_exporters.logs.formats.mysql import MYSQL_SLOW
from specter_exporters.logs.formats.postgres import POSTGRES, POSTGRES_CSV, POSTGRES_JSON
from specter_exporters.logs.formats.text import TEXT
from specter_exporters.logs.pipeline import Pipeline
from specter_exporters.logs.rules.custom import counter_rule, histogram_rule
from specter_exporters.logs.rules.errors import errors_rule
from specter_exporters.logs.rules.model import Context, Rule
from specter_exporters.logs.rules.requests import requests_rule
from specter_exporters.logs.rules.signin import Attempts, signin_rule
from specter_exporters.logs.rules.slow_queries import slow_queries_rule
from specter_exporters.logs.rules.traffic import cdn_rule, gateway_rule
from specter_exporters.logs.rules.web_vitals import web_vitals_rule
from specter_exporters.logs.schema import LogSchema, RequestsSchema, SlowQueriesSchema, TemplatesSchema
from specter_exporters.logs.series import Store
from specter_exporters.logs.tail.joining import starting_with
from specter_exporters.logs.templates import Miner
from specter_exporters.logs.watch import Watch

FORMATS = {
    "json": JSON,
    "nginx_json": NGINX_JSON,
    "text": TEXT,
    "postgres": POSTGRES,
    "postgres_csv": POSTGRES_CSV,
    "postgres_json": POSTGRES_JSON,
    "mysql_slow": MYSQL_SLOW,
}
ACCESS = frozenset({"access", "nginx_json"})
DATABASES = frozenset({"postgres", "postgres_csv", "postgres_json", "mysql_slow"})


@dataclass(frozen=True, slots=True)
class Built:
    """What counts the entries of a log."""

    pipeline: Pipeline
    format: Format
    miner: Miner | None


def format_of(log: LogSchema, watch: Watch) -> Format:
    """Return the format of a log."""
    if log.format == "access":
        return access_format(log.extra)
    form = regex_format(log.pattern or "", watch) if log.format == "regex" else FORMATS[log.format]
    if log.multiline_start is not None:
        form = replace(form, continues=starting_with(log.multiline_start, watch))
    return form


def build(
    log: LogSchema,
    templates: TemplatesSchema,
    store: Store,
    watch: Watch,
    attempts: Attempts | None,
    miner: Miner | None = None,
) -> Built:
    """Return what counts the entries of a log.

    Args:
        log: its configuration.
        templates: that of error templates.
        store: where it counts.
        watch: limits how long expressions may take.
        attempts: is told of attempts to sign in; None where no log has any.
        miner: with the templates that are known; a fresh one if None.
    """
    form = format_of(log, watch)
    context = Context(log.name, store, form, watch)
    mined = None
    if log.templates:
        miner = miner or Miner(templates.max, addresses=templates.mask_addresses)
        mined = errors_rule(context, miner, warm_up=templates.warm_up, message=log.message)
    rules = _rules(log, context)
    if attempts is not None:
        rules += [signin_rule(each, context, attempts) for each in log.signin]
    pipeline = Pipeline(context, rules, mined, level=log.level, time=log.time)
    return Built(pipeline, form, miner if log.templates else None)


def _rules(log: LogSchema, context: Context) -> list[Rule]:
    rules: list[Rule] = []
    requests = log.requests
    if requests is None and log.format in ACCESS and "requests" not in log.model_fields_set:
        requests = RequestsSchema()
    if requests is not None:
        rules.append(requests_rule(requests, context))
    slow = log.slow_queries
    if slow is None and log.format in DATABASES and "slow_queries" not in log.model_fields_set:
        slow = SlowQueriesSchema()
    if slow is not None:
        rules.append(slow_queries_rule(slow, context))
    if log.cdn is not None:
        rules.append(cdn_rule(log.cdn, context))
    if log.gateway is not None:
        rules.append(gateway_rule(log.gateway, context))
    if log.web_vitals is not None:
        rules.append(web_vitals_rule(log.web_vitals, context))
    rules += [counter_rule(each, context) for each in log.counters]
    rules += [histogram_rule(each, context) for each in log.histograms]
    return rules
