"""What the list of dependencies may say, and what is refused."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from specter_core.config import ConfigError
from specter_core.errors import SpecterError, UsageError
from specter_exporters.dependencies.blackbox import MODULES, TARGETS, render
from specter_exporters.dependencies.collector import EXPOSED
from specter_exporters.dependencies.command import dependencies
from specter_exporters.dependencies.config import load
from specter_exporters.dependencies.model import Secret

PAGE = Path(__file__).parents[2] / "docs" / "exporters-dependencies.md"
ONE = "dependencies: [{{name: pay, url: 'https://pay.example.com/health'{more}}}]\n"


def refused(folder: Path, text: str) -> str:
    (folder / "list.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(folder / "list.yml")
    return str(caught.value).replace(f"{folder}/", "")


def test_the_least(tmp_path: Path) -> None:
    (tmp_path / "list.yml").write_text(ONE.format(more=""))
    config = load(tmp_path / "list.yml")
    [pay] = config.dependencies
    assert (pay.criticality, pay.interval, pay.timeout, pay.tls_warning) == ("important", 60, 10, 14 * 86_400)
    assert pay.expect.takes(204)
    assert not pay.expect.takes(301)
    assert yaml.safe_load(render(config)[MODULES]) == {
        "modules": {
            "pay": {
                "prober": "http",
                "timeout": "10s",
                "http": {"preferred_ip_protocol": "ip4", "fail_if_not_ssl": True},
            }
        }
    }
    [target] = yaml.safe_load(render(config)[TARGETS])
    assert target["targets"] == ["127.0.0.1:9115"]
    assert target["labels"] == {
        "dependency": "pay",
        "criticality": "important",
        "instance": "https://pay.example.com/health",
        "__param_target": "https://pay.example.com/health",
        "__param_module": "pay",
        "__scrape_interval__": "60s",
        "__scrape_timeout__": "11s",
    }


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (", expect: {body: '('}", "expect.body: is not a regular expression"),
        (", expect: {body: '(a+)+'}", "expect.body: "),
        (", expect: {latency: 20s}", "expect.latency must not be above timeout"),
        (", timeout: 60s", "timeout must be at least a second below interval"),
        (
            ", check: {steps: ["
            + ", ".join(f"{{name: s{n}, url: 'http://a', timeout: 50s}}" for n in range(5))
            + "]}",
            "the time-outs of a check's steps must add up to at most 240s",
        ),
        (", criticality: vital", "criticality: expected 'critical', 'important' or 'optional'"),
        (", interval: 10m", "interval: expected at most 4m (found '10m')"),
        (", status_page: ftp://status", "expected a URL that begins with http:// or https://"),
        (", chek: {}", "chek: is not a known key: did you mean check?"),
        (", check: {steps: []}", "check.steps: must not be empty"),
        (
            ", check: {steps: [{name: a, url: 'http://a', headers: {Authorization: 'Bearer ${token}'}}]}",
            "check.steps[0]: ${token} is neither a secret nor extracted by an earlier step; there is none",
        ),
        (
            ", check: {steps: [{name: a, url: 'http://a'}, {name: a, url: 'http://a'}]}",
            "check.steps[1].name: a appears twice",
        ),
        (
            ", check: {steps: [{name: a, url: 'http://a', extract: {t: {pattern: abc}}}]}",
            "expected a pattern with a group",
        ),
        (", credential: {url: 'http://a', secret: {env: T}}", "${secret} is in no header and no body"),
        (", credential: {url: 'http://a', secret: {}}", "expected either file, a path, or env"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path: Path, more: str, message: str) -> None:
    assert message in refused(tmp_path, ONE.format(more=more))


@pytest.mark.parametrize(
    "more",
    [
        ", check: {steps: [{name: a, url: 'https://a', headers: {Authorization: 'Bearer hunter2'}}]}",
        ", check: {steps: [{name: a, url: 'https://a', headers: {X-Api-Key: hunter2}}]}",
        ", check: {steps: [{name: a, url: 'https://a', form: {password: hunter2}}]}",
        ", check: {steps: [{name: a, url: 'https://a', json: {login: [{client_secret: hunter2}]}}]}",
        ", check: {steps: [{name: a, url: 'https://a?token=hunter2'}]}",
        ", status_page: 'https://a?api_key=hunter2'",
        ", check: {steps: [{name: a, url: 'https://me:hunter2@a'}]}",
        ", credential: {url: 'https://a', secret: hunter2}",
        ", credential: {url: 'https://a', secret: {value: hunter2}}",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, more: str) -> None:
    assert "hunter2" not in refused(tmp_path, ONE.format(more=more)).replace(more, "")


def test_two_of_one_name(tmp_path: Path) -> None:
    text = "dependencies:\n" + "  - {name: pay, url: 'tcp://a:1'}\n" * 2
    assert "dependencies[1].name: pay appears twice" in refused(tmp_path, text)


def test_check_says_what_is_asked_and_which_secrets_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.yml"
    file.write_text(
        ONE.format(
            more=", status_page: 'https://status.example.com', credential: "
            "{url: 'https://pay.example.com/me', headers: {Authorization: 'Bearer ${secret}'}, "
            "secret: {env: PAY_TOKEN}}"
        )
    )
    monkeypatch.delenv("PAY_TOKEN", raising=False)
    missing = CliRunner().invoke(dependencies, ["check", str(file)])
    assert isinstance(missing.exception, UsageError)
    assert str(missing.exception) == (
        f"{file}: pay.credential.secret: the environment variable PAY_TOKEN is not set; give it the secret"
    )
    monkeypatch.setenv("PAY_TOKEN", "t")
    assert CliRunner().invoke(dependencies, ["check", str(file)]).output.splitlines() == [
        "pay: important, https://pay.example.com/health: credential, status page",
        f"{file}: ok",
    ]


@pytest.mark.parametrize(
    ("value", "state"),
    [("", "is empty; give it the secret"), ("a\nhunter2", "must hold one line of printable characters")],
)
def test_an_environment_variable_that_holds_no_secret_is_named_without_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, value: str, state: str
) -> None:
    monkeypatch.setenv("PAY_TOKEN", value)
    with pytest.raises(SpecterError) as caught:
        Secret("pay.secret", env="PAY_TOKEN").read()
    assert str(caught.value) == f"pay.secret: the environment variable PAY_TOKEN {state}"


def test_what_does_not_fit_together_is_told_beside_what_is_wrong_alone(tmp_path: Path) -> None:
    text = """\
dependencies:
  - name: pay
    url: https://pay.example.com
    interval: 10m
    check: {steps: [{name: a, url: 'https://a', headers: {Authorization: 'Bearer ${token}'}}]}
  - {name: pay, url: 'https://pay.example.com'}
"""
    unknown = "${token} is neither a secret nor extracted by an earlier step; there is none"
    assert refused(tmp_path, text).splitlines() == [
        "list.yml:4: dependencies[0].interval: expected at most 4m (found '10m')",
        f"list.yml:5: dependencies[0].check.steps[0]: {unknown}",
        "list.yml:6: dependencies[1].name: pay appears twice",
    ]


def test_without_a_list_the_command_says_what_to_do() -> None:
    result = CliRunner().invoke(dependencies, [])
    assert isinstance(result.exception, UsageError)
    assert "--config FILE" in str(result.exception)


def test_the_list_in_the_documentation_gives_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "dependencies.yml").write_text(example)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "payments-password").write_text("a")
    monkeypatch.setenv("PAYMENTS_TOKEN", "a")
    monkeypatch.chdir(tmp_path)
    checked = CliRunner().invoke(dependencies, ["check", "dependencies.yml"])
    assert f"$ specter exporter dependencies check dependencies.yml\n{checked.output}$" in page
    arguments = ["generate", "--config", "dependencies.yml", "--output", "made"]
    written = (
        CliRunner().invoke(dependencies, arguments).output.replace("made/", "/etc/prometheus/dependencies/")
    )
    assert f"--output /etc/prometheus/dependencies\n{written}$" in page


def test_every_metric_in_the_documentation_is_exposed_under_that_name() -> None:
    declared = {metric.name for metric in EXPOSED}
    named = set(re.findall(r"\bspecter_dependency_\w+", PAGE.read_text(encoding="utf-8")))
    assert named == declared
