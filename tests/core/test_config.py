"""Configuration files: every error at once, with its place, and never a secret."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from specter_core.config import ConfigError, Schema, load_config, parse_config
from specter_core.durations import parse_duration
from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file

NO_INTEGER = "expected a whole number"


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("expected an even number")
    return value


class Login(Schema):
    user: str
    password: int = 0
    token: list[int] = Field(default_factory=list)


class Server(Schema):
    port: int = Field(gt=0)
    even: Annotated[int, AfterValidator(_even)] = 2
    url: int = 0
    login: Login | None = None


class Config(Schema):
    servers: list[Server]
    name: str = "default"
    by_name: dict[str, Server] = Field(default_factory=dict)


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Config, file="specter.yml")
    assert caught.value.exit_code == 2
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


def test_a_valid_file_is_the_schema_with_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "specter.yml"
    path.write_text("servers:\n  - port: 80\n", encoding="utf-8")
    config = load_config(path, Config)
    assert config == Config(servers=[Server(port=80)])
    assert config.model_dump(mode="json")["servers"] == [{"port": 80, "even": 2, "url": 0, "login": None}]


def test_every_error_comes_at_once_with_line_path_expectation_and_value() -> None:
    text = """\
name: shop
servers:
  - port: 0
  - port: many
    even: 3
  - prot: 80
by_name:
  one:
    port: [1]
nmae: shop
"""
    assert problems_of(text) == [
        "specter.yml:3: servers[0].port: expected more than 0 (found 0)",
        f"specter.yml:4: servers[1].port: {NO_INTEGER} (found 'many')",
        "specter.yml:5: servers[1].even: expected an even number (found 3)",
        "specter.yml:6: servers[2].port: is required",
        "specter.yml:6: servers[2].prot: is not a known key: did you mean port?",
        "specter.yml:9: by_name.one.port: expected a whole number (found a list)",
        "specter.yml:10: nmae: is not a known key: did you mean name?",
    ]


def test_a_repeated_key_is_an_error_at_its_second_place_beside_the_others() -> None:
    text = "servers:\n  - port: 80\n    port: 81\n    even: 1\nname: a\nname: b\n"
    assert problems_of(text) == [
        "specter.yml:3: servers[0].port: appears twice in one mapping",
        "specter.yml:4: servers[0].even: expected an even number (found 1)",
        "specter.yml:6: name: appears twice in one mapping",
    ]


def test_a_repeated_key_alone_is_an_error_too() -> None:
    assert problems_of("servers: []\nservers: []\n") == [
        "specter.yml:2: servers: appears twice in one mapping"
    ]


@pytest.mark.parametrize(
    "login",
    ["password: hunter2", "token: [hunter2]", "token: hunter2", "password: {a: hunter2}"],
)
def test_a_value_below_a_secret_name_is_never_shown(login: str) -> None:
    (problem,) = problems_of(f"servers:\n  - port: 1\n    login:\n      user: me\n      {login}\n")
    assert problem.startswith("specter.yml:5: servers[0].login.")
    assert "hunter2" not in problem


def test_a_url_is_shown_without_its_password() -> None:
    (problem,) = problems_of("servers:\n  - port: 1\n    url: http://me:hunter2@db.example/x\n")
    assert problem.endswith("(found 'http://…@db.example/x')")


@pytest.mark.parametrize("value", ["*hunter2", "!hunter2 x"])
def test_an_unquoted_password_that_looks_like_yaml_is_not_shown(value: str) -> None:
    (problem,) = problems_of(f"servers: []\nlogin:\n  password: {value}\n")
    assert problem.startswith("specter.yml:3: is not valid YAML: ")
    assert "hunter2" not in problem


def test_a_long_value_is_cut() -> None:
    (problem,) = problems_of("servers:\n  - port: " + "x" * 500 + "\n")
    assert len(problem) < 200
    assert problem.endswith("xxx...)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "servers: [",
            "specter.yml:1: is not valid YAML: expected the node content, but found '<stream end>'",
        ),
        (
            "a: 1\n b: 2\n",
            (
                "specter.yml:2: is not valid YAML: mapping values are not allowed here"
                "; is the line indented too far, or a `: ` in its value, which wants quotes?"
            ),
        ),
        (
            "servers:\n  - name: a\n   port: 1\n",
            (
                "specter.yml:3: is not valid YAML: expected <block end>, but found '<block mapping start>'"
                "; is the line indented as its neighbours are?"
            ),
        ),
        (
            "servers:\n\t- name: a\n",
            (
                "specter.yml:2: is not valid YAML: found character … that cannot start any token"
                "; it is a tab: indent with spaces"
            ),
        ),
        (
            "cron: */5 * * * *\n",
            (
                "specter.yml:1: is not valid YAML: expected alphabetic or numeric character, but found '/'"
                '; write what begins with * in quotes: "*/5 * * * *"'
            ),
        ),
        (
            "cron: @daily\n",
            (
                "specter.yml:1: is not valid YAML: found character '@' that cannot start any token"
                "; write what begins with it in quotes"
            ),
        ),
        (
            "cron: * 3 * * *\n",
            (
                "specter.yml:1: is not valid YAML: expected alphabetic or numeric character, but found ' '"
                '; write what begins with * in quotes: "*/5 * * * *"'
            ),
        ),
        ("name: 2024-02-30\n", "specter.yml:1: name: is not valid YAML: day is out of range for month"),
        ("- 1\n", "specter.yml:1: expected a mapping, found a list"),
        ("shop\n", "specter.yml:1: expected a mapping, found 'shop'"),
        ("", "specter.yml: servers: is required"),
        ("# only a comment\n", "specter.yml: servers: is required"),
    ],
)
def test_what_is_not_a_mapping_says_so(text: str, expected: str) -> None:
    assert problems_of(text) == [expected]


def test_an_anchor_inside_itself_is_refused_and_not_followed_for_ever() -> None:
    assert problems_of("servers: &all [*all]\n") != []


def test_anchors_within_anchors_are_read_in_no_time() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    problems = problems_of("\n".join(lines))
    assert any(problem.startswith("specter.yml:30: a29: is not a known key") for problem in problems)


def test_a_tag_that_would_run_python_is_refused() -> None:
    (problem,) = problems_of("servers: !!python/object/apply:os.system [echo]\n")
    assert problem.startswith("specter.yml:1: is not valid YAML: could not determine a constructor")


def test_a_missing_file_a_folder_and_another_encoding_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yml"
    latin.write_bytes("name: caf\xe9\n".encode("latin-1"))
    for path, reason in (
        (tmp_path / "none.yml", "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
        (latin, "is not UTF-8: invalid continuation byte"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(path, Config)
        assert str(caught.value) == f"{path}: {reason}"


def test_a_secret_file_loses_its_line_end_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b" s3cret \r\n")
    assert read_secret_file(path, what="database password") == " s3cret "


def test_a_secret_file_that_is_missing_empty_or_binary_is_named_without_its_content(tmp_path: Path) -> None:
    empty, binary, missing = tmp_path / "empty", tmp_path / "binary", tmp_path / "missing"
    empty.write_text("\n")
    binary.write_bytes(b"hunter\xff2")
    for path, reason in (
        (missing, f"cannot read {missing}: No such file or directory"),
        (empty, f"{empty} is empty"),
        (binary, f"cannot read {binary}: not UTF-8"),
    ):
        with pytest.raises(SpecterError) as caught:
            read_secret_file(path, what="database password")
        assert str(caught.value) == f"database password: {reason}"


def test_a_date_that_is_none_is_found_in_its_place() -> None:
    text = "a: 1\nb:\n  c: [2024-02-28, 2024-02-30]\n"
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Config, file="x.yml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (3, "b.c[1]")
    assert problem.message.startswith("is not valid YAML: day is out of range")


class Range(Schema):
    least: float | None = None

    @model_validator(mode="after")
    def _something(self) -> "Range":
        if self.least is None:
            raise ValueError("expected least")
        return self


class Rule(Schema):
    name: str
    when: dict[str, str | float | bool | list[str | float] | Range] = Field(default_factory=dict)
    hosts: tuple[Annotated[int, AfterValidator(_even)], ...] = Field(default=(2, 2), min_length=2)
    mode: Literal["fast", "slow"] = "fast"
    every: Annotated[float, BeforeValidator(parse_duration), Field(le=240)] = 60.0


class Rules(Schema):
    rules: list[Rule] = Field(default_factory=list)
    after: dict[str, str] = Field(default_factory=dict)
    title: str = ""


def unknown_rules(config: Rules) -> Iterator[tuple[str, str]]:
    names = {rule.name for rule in config.rules}
    for name, other in config.after.items():
        if other not in names:
            yield f"after.{name}", f"there is no rule {other}"


def rules_refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Rules, unknown_rules, file="r.yml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("{lest: 1}", "when.x.lest: is not a known key: did you mean least?"),
        ("{least: many}", "when.x.least: expected a number (found 'many')"),
        ("{}", "when.x: expected least (found a mapping)"),
        ("[a, [b]]", "when.x[1]: expected a text or a number (found a list)"),
        ("null", "when.x: expected a text, a number, true or false, a list or a mapping (found None)"),
    ],
)
def test_of_a_value_of_many_kinds_one_thing_is_said_in_words_of_the_file(wanted: str, expected: str) -> None:
    said = rules_refused(f"rules:\n  - name: a\n    when: {{x: {wanted}}}\n")
    assert said == [f"r.yml:3: rules[0].{expected}"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("hosts: [2, 3]", "hosts[1]: expected an even number (found 3)"),
        ("hosts: [2]", "hosts: expected at least 2 (found a list)"),
        ("mode: medium", "mode: expected 'fast' or 'slow' (found 'medium')"),
        ("every: 10m", "every: expected at most 4m (found '10m')"),
        ("every: 0.5", "every: expected a duration such as 15s, 5m or 28d (found 0.5)"),
    ],
)
def test_a_bound_is_told_in_the_units_of_the_value_and_a_list_not_twice(key: str, expected: str) -> None:
    assert rules_refused(f"rules: [{{name: a, {key}}}]\n") == [f"r.yml:1: rules[0].{expected}"]


def test_what_does_not_fit_together_is_told_beside_values_that_are_wrong() -> None:
    text = "title: 1\nrules:\n  - name: a\n    mode: medium\n    color: red\nafter:\n  a: b\n"
    assert rules_refused(text) == [
        "r.yml:1: title: expected a text (found 1)",
        "r.yml:4: rules[0].mode: expected 'fast' or 'slow' (found 'medium')",
        "r.yml:5: rules[0].color: is not a known key; there are every, hosts, mode, name, when",
        "r.yml:7: after.a: there is no rule b",
    ]
    assert rules_refused("rules: [{name: a}]\nafter: {a: b}\n") == ["r.yml:2: after.a: there is no rule b"]


@pytest.mark.parametrize("rules", ["[{name: 1}]", "[{nmae: b}]", "[{name: b, when: []}]", "{}"])
def test_nothing_is_missed_that_is_there_and_only_wrong(rules: str) -> None:
    assert not [each for each in rules_refused(f"rules: {rules}\nafter: {{a: b}}\n") if "no rule" in each]
