"""What the file with the brokers may say, and what is refused."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_core.config import ConfigError
from specter_core.errors import UsageError
from specter_exporters.queues.celery_exchange import CeleryBroker
from specter_exporters.queues.command import queues
from specter_exporters.queues.config import load
from specter_exporters.queues.kafka import KafkaServer
from specter_exporters.queues.on_redis.model import Key, RedisServer
from specter_exporters.queues.rabbitmq import RabbitServer

ONE = "redis: [{name: main, url: 'redis://127.0.0.1', password_file: secret}]\n"


def refused(folder: Path, text: str) -> str:
    (folder / "queues.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(folder / "queues.yml")
    return str(caught.value).replace(f"{folder}/", "")


def test_the_least_and_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "queues.yml").write_text(ONE)
    (tmp_path / "secret").write_text("s3cret\n")
    [server] = load(tmp_path / "queues.yml")
    assert isinstance(server, RedisServer)
    assert (server.name, server.url, server.queues, server.max_queues) == (
        "main",
        "redis://127.0.0.1",
        (),
        500,
    )
    assert "celery" in server.discover
    assert server.password_file == tmp_path / "secret"
    assert "secret" not in repr(server)


def test_keys_of_each_kind(tmp_path: Path) -> None:
    (tmp_path / "queues.yml").write_text("""\
redis:
  - url: redis://127.0.0.1
    queues:
      - {name: mail, list: m, head: left, dead_letters: d}
      - {name: due, sorted_set: s, score: due_ms, dead_letters: d, dead_letters_kind: list}
      - {name: due, stream: e}
""")
    [server] = load(tmp_path / "queues.yml")
    assert isinstance(server, RedisServer)
    assert server.queues == (
        Key("mail", "list", "m", head="left", dead_letters="d", dead_letter_kind="list"),
        Key("due", "sorted_set", "s", score="due_ms", dead_letters="d", dead_letter_kind="list"),
        Key("due", "stream", "e", dead_letter_kind="stream"),
    )


def test_rabbitmq_and_kafka_beside_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "queues.yml").write_text("""\
rabbitmq:
  - {url: 'http://127.0.0.1:15692', dead_letters: {mail: dead}, unattended: ['*.retry']}
  - {name: two, url: 'https://rabbit:15671', api: management, username: watcher, password_file: secret}
kafka:
  - {bootstrap: ['kafka:9092'], groups: {mailers: [mail]}, options: {security.protocol: SSL}}
""")
    assert load(tmp_path / "queues.yml") == (
        RabbitServer(
            "rabbitmq", "http://127.0.0.1:15692", dead_letters={"mail": "dead"}, unattended=("*.retry",)
        ),
        RabbitServer("two", "https://rabbit:15671", "management", "watcher", tmp_path / "secret"),
        KafkaServer("kafka", ("kafka:9092",), {"mailers": ("mail",)}, {"security.protocol": "SSL"}),
    )


def test_where_celerys_workers_tell_of_themselves_on_rabbitmq(tmp_path: Path) -> None:
    for name in ("secret", "ca"):
        (tmp_path / name).write_text("s3cret\n")
    (tmp_path / "queues.yml").write_text("""\
rabbitmq:
  - url: http://127.0.0.1:15692
    max_workers: 7
    celery: {url: 'amqps://specter@rabbit/a%2Fb', password_file: secret, ca_file: ca, exchange: events}
""")
    [server] = load(tmp_path / "queues.yml")
    assert isinstance(server, RabbitServer)
    assert (server.celery, server.max_workers) == (
        CeleryBroker("amqps://specter@rabbit/a%2Fb", tmp_path / "secret", tmp_path / "ca", exchange="events"),
        7,
    )
    assert "secret" not in repr(server)


@pytest.mark.parametrize(
    ("path", "vhost"),
    [("", "/"), ("/", "/"), ("/%2F", "/"), ("//", "/"), ("/shop", "shop"), ("/a%2Fb", "a/b")],
)
def test_virtual_hosts_are_named_as_celery_names_them(path: str, vhost: str) -> None:
    assert CeleryBroker(f"amqp://a@rabbit{path}", Path("secret")).vhost == vhost


@pytest.mark.parametrize(
    ("celery", "expected"),
    [
        ("{url: 'amqp://a:pass-word@h', password_file: p}", "celery.url: holds a password"),
        ("{url: 'amqp://h', password_file: p}", "celery.url: is not an address with a user"),
        ("{url: 'http://a@h', password_file: p}", "celery.url: is not an address with a user"),
        ("{url: 'amqp://a@h:x', password_file: p}", "celery.url: is not an address with a user"),
        ("{url: 'amqp://a@h?heartbeat=0', password_file: p}", "celery.url: is not an address with a user"),
        ("{url: 'amqp://a@h'}", "celery.password_file"),
        ("{url: 'amqp://a@h', password_file: p}", "celery.password_file: p is not a file"),
    ],
)
def test_what_is_wrong_with_celery_on_rabbitmq_is_said(tmp_path: Path, celery: str, expected: str) -> None:
    said = refused(tmp_path, f"rabbitmq: [{{url: 'http://h', celery: {celery}}}]\n")
    assert expected in said
    assert "pass-word" not in said


def test_the_folder_may_be_given_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = ["--redis.url", "redis://127.0.0.1/0"]
    folder = {"SPECTER_QUEUES_STORAGE_PATH": str(tmp_path / "file" / "state")}
    result = CliRunner().invoke(queues, command, env=folder)
    assert str(tmp_path / "file" / "state") in str(result.exception)


def test_what_is_wrong_with_rabbitmq_and_kafka_is_said_without_secrets(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        """\
rabbitmq:
  - {url: 'http://guest:hunter2@127.0.0.1:15692'}
  - {url: 'amqp://127.0.0.1'}
  - {url: 'http://127.0.0.1', username: guest}
kafka:
  - {bootstrap: [kafka], groups: {}}
  - {bootstrap: ['kafka:9092'], groups: {g: []}, options: {sasl.password: hunter2}}
""",
    )
    assert "rabbitmq[0].url: holds a user or a password" in said
    assert "rabbitmq[1].url: is not an address such as http://127.0.0.1:15692" in said
    assert "rabbitmq[2]: username and password_file belong together" in said
    assert "kafka[0].bootstrap[0]: expected HOST:PORT" in said
    assert "kafka[0].groups" in said
    assert "kafka[1]: options: sasl.password is a secret; give a password as password_file" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "url",
    ["redis://u:hunter2@127.0.0.1", "redis://:hunter2@127.0.0.1/0", "unix:///s?password=hunter2"],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    said = refused(tmp_path, f"redis: [{{name: main, url: '{url}'}}]\n")
    assert "holds a password; write it to a file and name that as password_file" in said
    assert "hunter2" not in said
    done = CliRunner().invoke(queues, ["--redis.url", url])
    assert isinstance(done.exception, UsageError)
    assert "holds a password; write it to a file and name that as --redis.password-file" in str(
        done.exception
    )
    assert "hunter2" not in str(done.exception)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1", "redis://", "redis://a:b", "redis://a?db=1", "redis://a/main", "127.0.0.1:6379"],
)
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    assert "redis[0].url" in refused(tmp_path, f"redis: [{{name: main, url: '{url}'}}]\n")


def test_every_error_is_named(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        """\
redis:
  - {name: 'a b', url: 'redis://a'}
  - {name: b, url: 'redis://b', max_queues: 0, discover: [resque]}
  - name: c
    url: redis://c
    queues:
      - {name: none}
      - {name: two, list: a, stream: b}
      - {name: head, stream: a, head: left}
      - {name: score, list: a, score: due}
      - {name: dead, list: a, dead_letters_kind: list}
""",
    )
    assert "redis[0].name: expected at most 200 letters, digits" in said
    assert "redis[1].max_queues" in said
    assert "redis[1].discover[0]" in said
    assert said.count("expected one of list, sorted_set and stream") == 2
    assert "redis[2].queues[2]: head is of lists only" in said
    assert "redis[2].queues[3]: score is of sorted sets only" in said
    assert "redis[2].queues[4]: dead_letters_kind says what dead_letters is" in said


def test_names_are_unique_and_files_exist(tmp_path: Path) -> None:
    assert refused(tmp_path, ONE) == "queues.yml:1: redis[0].password_file: secret is not a file"
    assert "names no broker" in refused(tmp_path, "redis: []\n")
    two = "redis: [{name: a, url: 'redis://a'}, {name: a, url: 'redis://b'}]\n"
    assert "servers: a appears twice" in refused(tmp_path, two)
    same = "redis: [{url: 'redis://a', queues: [{name: q, list: a}, {name: q, list: b}]}]\n"
    assert "queues: list q appears twice" in refused(tmp_path, same)


@pytest.mark.parametrize(
    "options",
    [[], ["--config", "a", "--redis.url", "redis://a"], ["--config", "a", "--redis.password-file", "b"]],
)
def test_the_command_says_which_options_it_needs(options: list[str]) -> None:
    assert isinstance(CliRunner().invoke(queues, options).exception, UsageError)
