"""Mine error entries, and tell of forms that are new."""

from collections.abc import Callable

from specter_core.metrics import LOG_NEW_TEMPLATES
from specter_exporters.logs.fields import Fields, as_label, first_of
from specter_exporters.logs.formats.exceptions import summary
from specter_exporters.logs.rules.model import Context
from specter_exporters.logs.templates import Miner
from specter_exporters.logs.times import parse_time

Mined = Callable[[Fields, str, float], None]
JOINT = " | "


def errors_rule(context: Context, miner: Miner, *, warm_up: float, message: str | None = None) -> Mined:
    """Return what mines an error entry: its message and, of an exception, the line that names it.

    Args:
        context: of the log.
        miner: of the log.
        warm_up: seconds after the first start of all in which forms are learnt, and none counts as new.
        message: path of the message, if the configuration names one.
    """
    cell = context.store.counters(LOG_NEW_TEMPLATES, context.log).find()[0]
    get_message = first_of([message] if message is not None else context.format.message)
    get_time = first_of(context.format.time)
    get_error = first_of(context.format.error) if context.format.error else None

    def rule(fields: Fields, level: str, now: float) -> None:
        text = _first_line(get_message(fields))
        if get_error is not None:
            error = get_error(fields)
            if type(error) is str and error:
                named = summary(error[:20_000])
                if named and named not in text:
                    text = f"{text}{JOINT}{named}" if text else named
        if not text:
            return
        if miner.learning_since is None:
            miner.learning_since = now
        new = miner.add(text, level, now)
        if new is None:
            return
        new.first_seen = min(now, parse_time(get_time(fields)) or now)
        if not 0 <= now - miner.learning_since < warm_up:
            cell[0] += 1

    return rule


def _first_line(value: object) -> str:
    if type(value) is str:
        return value if "\n" not in value else value.strip().partition("\n")[0]
    return as_label(value)
