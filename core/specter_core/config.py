"""Load a YAML configuration file and report every error in it at once.

A schema is a pydantic model with unknown keys forbidden (`Schema`). Each error
names the file and line, the dotted path, what was expected and what was found.
A value never appears when a word of its path sounds like a secret (`SECRET_WORDS`),
and a URL appears without its user and password.
"""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from specter_core.errors import SpecterError
from specter_core.violations import MISSING, Violation, lookup, violations

SECRET_WORDS = (
    "passw",
    "passphrase",
    "secret",
    "token",
    "credential",
    "key",
    "auth",
    "cookie",
    "dsn",
    "bearer",
)


MOST_KEYS = 30
"""More are no help in a message."""


class Schema(BaseModel):
    """Base of every configuration schema: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration file."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(SpecterError):
    """A configuration file cannot be used; `problems` lists every reason."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


S = TypeVar("S", bound=BaseModel)


Check = Callable[[S], Iterable[tuple[str, str]]]
"""Tells what does not fit together in a configuration: dotted path and message of each problem."""


def load_config(path: Path, schema: type[S], check: Check[S] | None = None) -> S:
    """Read `path` as YAML and validate it against `schema`.

    Args:
        path: the file.
        schema: what it may say.
        check: what its parts have to do with each other. It is asked too where only values that have
            a default are wrong, or keys are unknown: its word does not wait until those are mended.

    Raises:
        ConfigError: the file cannot be read, is not YAML, repeats a key, or
            breaks the schema, or `check` finds something; every violation is listed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), None, "", f"is not UTF-8: {error.reason}")]) from error
    return parse_config(text, schema, check, file=str(path))


def parse_config(text: str, schema: type[S], check: Check[S] | None = None, *, file: str) -> S:
    """Validate the YAML document `text` against `schema`; see `load_config`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        message = f"is not valid YAML: {_without_names(error.problem or error.context or '')}{_hint(error)}"
        raise ConfigError([Problem(file, line, "", message)]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, None, "", f"is not valid YAML: {error}")]) from error
    except (ValueError, RecursionError) as error:
        # A date such as 2024-02-30, or a thousand opening brackets.
        place = _impossible_date(text)
        raise ConfigError([Problem(file, *place, f"is not valid YAML: {error}")]) from error
    problems = _repeated_keys(node, file, seen_nodes=set())
    if document is None:
        document = {}
    if not isinstance(document, Mapping):
        raise ConfigError([Problem(file, 1, "", f"expected a mapping, found {_describe(document)}")])
    config: S | None
    try:
        config = schema.model_validate(document)
    except ValidationError as error:
        found = violations(error, document)
        problems += [_problem(violation, node, document, file, schema) for violation in found]
        config = _rest(document, found, schema)
    if check is not None and config is not None:
        told = {problem.path for problem in problems}
        problems += [
            Problem(file, _line(node, _parts(where)), where, message)
            for where, message in check(config)
            if where not in told
        ]
    if config is None or problems:
        raise ConfigError(sorted(problems, key=lambda p: (p.line or 0, p.path)))
    return config


def _rest(document: Mapping[str, object], found: Iterable[Violation], schema: type[S]) -> S | None:
    """Return the configuration without the single values that are wrong; None where more than those are.

    What stands in their place is the default, so that nothing else refers to what is left out.
    """
    left: dict[str, object] = copy.deepcopy(dict(document))
    for violation in found:
        *above, last = violation.loc or ("",)
        holder, value = lookup(left, tuple(above)), lookup(left, violation.loc)
        own = violation.kind == "extra_forbidden" or last in _keys(schema, tuple(above))
        if not own or not isinstance(holder, dict) or isinstance(value, dict | list):
            return None
        holder.pop(last, None)
    try:
        return schema.model_validate(left)
    except ValidationError:
        return None


def _parts(path: str) -> tuple[int | str, ...]:
    """Return what `_dotted` was made of, where no key has a dot or a bracket in it."""
    return tuple(int(index) if index else key for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path))


def _without_names(problem: str) -> str:
    """Leave out what PyYAML quotes: an unquoted password that begins with `*` or `!` is a name to it."""
    return re.sub(r"(['\"])(?!<)[^'\"]{2,}\1", "…", problem)


# The commonest mistakes, which PyYAML tells in words of its own, and what to do about each.
_HINTS = (
    (r"found character '\\t'", "it is a tab: indent with spaces"),
    (r"cannot start any token", "write what begins with it in quotes"),
    (r"scanning an alias", 'write what begins with * in quotes: "*/5 * * * *"'),
    (
        r"mapping values are not allowed",
        "is the line indented too far, or a `: ` in its value, which wants quotes?",
    ),
    (r"expected <block end>", "is the line indented as its neighbours are?"),
)


def _hint(error: yaml.MarkedYAMLError) -> str:
    said = f"{error.problem} {error.context}"
    return next((f"; {hint}" for pattern, hint in _HINTS if re.search(pattern, said)), "")


def _impossible_date(text: str) -> tuple[int | None, str]:
    """Return line and path of the first date in `text` that is none, (None, "") where there is none."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        return None, ""
    waiting: list[tuple[yaml.Node | None, tuple[int | str, ...]]] = [(node, ())]
    seen: set[int] = set()
    while waiting:
        here, path = waiting.pop()
        if id(here) in seen:  # an anchor, looked at once however often it is used
            continue
        seen.add(id(here))
        if isinstance(here, yaml.MappingNode):
            waiting += [(value, (*path, str(key.value))) for key, value in reversed(here.value)]
        elif isinstance(here, yaml.SequenceNode):
            waiting += [(value, (*path, index)) for index, value in reversed(list(enumerate(here.value)))]
        elif isinstance(here, yaml.ScalarNode) and here.tag == "tag:yaml.org,2002:timestamp":
            try:
                yaml.safe_load(here.value)
            except ValueError:
                return here.start_mark.line + 1, _dotted(path)
    return None, ""


def _problem(
    violation: Violation, node: yaml.Node | None, document: object, file: str, schema: type[BaseModel]
) -> Problem:
    loc, message = violation.loc, violation.message
    if violation.kind == "extra_forbidden":
        message = f"is not a known key{_suggestion(schema, loc)}"
    elif violation.kind == "missing":
        message = "is required"
    else:
        found = lookup(document, loc)
        secret = any(word in str(part).lower() for part in loc for word in SECRET_WORDS)
        # That a mapping was found says nothing, unless something else was expected.
        known = isinstance(found, Mapping) and not message.startswith("expected")
        if found is not MISSING and not secret and not known:
            message += f" (found {_describe(found)})"
    return Problem(file, _line(node, loc), _dotted(loc), message)


def _suggestion(schema: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Return which key of `schema` may have been meant by the unknown one at `loc`."""
    known = _keys(schema, loc[:-1])
    close = get_close_matches(str(loc[-1]), known, n=1)
    if close:
        return f": did you mean {close[0]}?"
    return f"; there are {', '.join(sorted(known))}" if 0 < len(known) <= MOST_KEYS else ""


def _keys(annotation: object, loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the model at `loc` in what is annotated as `annotation`, none if there is none."""
    if get_origin(annotation) is Annotated:
        return _keys(get_args(annotation)[0], loc)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        if not loc:
            return list(fields)
        return _keys(fields[str(loc[0])], loc[1:]) if str(loc[0]) in fields else []
    parts = get_args(annotation)
    if get_origin(annotation) in {dict, list, tuple}:
        return _keys(parts[1 if get_origin(annotation) is dict else 0], loc[1:]) if parts and loc else []
    # A union: with None, or of models.
    return [key for part in parts for key in _keys(part, loc)]


def _dotted(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else part)
    return path


def without_credentials(text: str) -> str:
    """Return `text` with what may be the user and the password of a URL in it masked.

    Up to the last `@`: a password may hold another one, or a slash. Some URLs have it as an option.
    """
    masked = re.sub(r"://.*@", "://…@", text, flags=re.DOTALL)
    return re.sub(r"([?&]pass\w*=)[^&'\"]*", r"\1…", masked)


def _describe(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = without_credentials(repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _line(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int | None:
    """Return the line of the deepest existing node on the way to `loc`."""
    if node is None:
        return None
    line: int = node.start_mark.line + 1
    for part in loc:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if str(key.value) == str(part):
                    line, child = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            line = child.start_mark.line + 1
        if child is None:
            break
        node = child
    return line


def locate(text: str, loc: tuple[int | str, ...]) -> tuple[int | None, str]:
    """Return the line of what is at `loc` in the YAML document `text`, or nearest to it, and its path."""
    return _line(yaml.compose(text, Loader=yaml.SafeLoader), loc), _dotted(loc)


def _repeated_keys(
    node: yaml.Node | None, file: str, path: tuple[int | str, ...] = (), *, seen_nodes: set[int]
) -> list[Problem]:
    """Return a problem for each repeated key; an anchor is looked at once, however often it is used."""
    problems: list[Problem] = []
    if node is None or id(node) in seen_nodes:
        return problems
    seen_nodes.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                line = key.start_mark.line + 1
                problems.append(Problem(file, line, _dotted((*path, name)), "appears twice in one mapping"))
            seen.add(name)
            problems += _repeated_keys(value, file, (*path, name), seen_nodes=seen_nodes)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            problems += _repeated_keys(value, file, (*path, index), seen_nodes=seen_nodes)
    return problems
