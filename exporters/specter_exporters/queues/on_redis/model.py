"""What the exporter is told of a Redis server and of the queues in it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["list", "sorted_set", "stream"]
Head = Literal["left", "right"]
Score = Literal["due", "due_ms", "published", "published_ms", "priority"]
Discovered = Literal["celery", "rq", "bullmq"]
SYSTEMS: tuple[Discovered, ...] = ("celery", "rq", "bullmq")


@dataclass(frozen=True, slots=True)
class Key:
    """A queue that is one key.

    Attributes:
        name: value of the label `queue`.
        kind: what the key is.
        key: its name.
        head: of a list, the end that messages are taken from.
        score: of a sorted set, what the scores are.
        dead_letters: a list, sorted set or stream that holds what was given up; empty for none.
        dead_letter_kind: what that is.
    """

    name: str
    kind: Kind
    key: str
    head: Head = "right"
    score: Score = "due"
    dead_letters: str = ""
    dead_letter_kind: Kind = "list"


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A database of a Redis server to ask.

    Attributes:
        name: value of the label `server`.
        url: redis://, rediss:// or unix://, without a password.
        password_file: read anew at each connection.
        ca_file: whom to trust with rediss://; the system's authorities without.
        timeout: seconds that the server may take for one answer.
        discover: whose queues to look for.
        queues: further ones.
        max_queues: most of them that are shown, of each system.
        max_workers: most workers that are shown by name.
        celery_priorities: the broker transport option `priority_steps`.
        celery_separator: the broker transport option `sep`.
        celery_prefix: the broker transport option `global_keyprefix`.
        bullmq_prefix: the queues' option `prefix`.
    """

    name: str
    url: str
    password_file: Path | None = field(default=None, repr=False)
    ca_file: Path | None = None
    timeout: float = 2.0
    discover: tuple[Discovered, ...] = SYSTEMS
    queues: tuple[Key, ...] = ()
    max_queues: int = 500
    max_workers: int = 200
    celery_priorities: tuple[int, ...] = (0, 3, 6, 9)
    celery_separator: str = "\x06\x16"
    celery_prefix: str = ""
    bullmq_prefix: str = "bull"
