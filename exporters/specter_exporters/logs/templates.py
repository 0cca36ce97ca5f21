"""Mine the forms of error messages: which there are, when each was first seen, with an example.

Drain (He et al. 2017, "Drain: An Online Log Parsing Approach with Fixed Depth Tree"; the package drain3)
finds the form of a message. It takes the longer the more forms begin alike, and masking secrets takes
longer still, so what it has said is remembered: a message without its numbers and identifiers is looked up
first, and most messages end there.

Forms are bounded: beyond the limit those seen least recently are forgotten, but for a hash, so that one that
comes back is not taken for new. What is remembered, shown and saved has its secrets masked.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from drain3.drain import Drain, LogCluster

from specter_exporters.logs.secrets import mask_secrets

MAX_MESSAGE = 1000
MAX_TOKENS = 60
MAX_EXAMPLE = 500
MAX_CACHED = 20_000
PARAMETER = "<*>"
_SIMILARITY = 0.5
# A word that has a digit in it is a parameter. The look behind keeps the time linear: a word is begun once.
_VARIABLE = re.compile(r"(?<![\w.:@+-])[\w.:@+-]*\d[\w.:@+-]*")


@dataclass(slots=True)
class Template:
    """A form of error messages.

    Attributes:
        number: Drain's.
        template_id: the same for the same message wherever it is seen first.
        first_seen: Unix time (s).
        last_seen: Unix time (s).
        count: messages of this form.
        level: of the first one.
        example: the first one, cut, secrets masked.
        turn: when it was last seen, in messages.
    """

    number: int
    template_id: str
    first_seen: float
    last_seen: float
    count: int
    level: str
    example: str
    turn: int


class Miner:
    """The forms of one log's error messages.

    Args:
        limit: how many are remembered.
        addresses: mask IP addresses in what is remembered.
        saved: what `save` returned before a restart.
    """

    def __init__(self, limit: int, *, addresses: bool = False, saved: dict[str, Any] | None = None) -> None:
        self._limit = limit
        self._addresses = addresses
        self._drain = Drain(depth=4, sim_th=_SIMILARITY, max_children=100, param_str=PARAMETER)
        self._templates: dict[int, Template] = {}
        self._ids: set[str] = set()
        self._cache: dict[str, Template] = {}
        self._forgotten: dict[str, float] = {}
        self._turn = 0
        self.learning_since: float | None = None
        if saved is not None:
            self._restore(saved)

    def __len__(self) -> int:
        """Return how many forms are remembered."""
        return len(self._templates)

    def __iter__(self) -> Iterator[Template]:
        """Yield them, the one seen first last."""
        return iter(sorted(self._templates.values(), key=lambda each: -each.first_seen))

    def text(self, template: Template) -> str:
        """Return a form as text, `<*>` for what varies."""
        cluster = self._drain.id_to_cluster.get(template.number)
        return "" if cluster is None else str(cluster.get_template())

    def newest(self, number: int) -> Sequence[Template]:
        """Return the `number` forms that were seen first most recently."""
        return list(self)[:number]

    def add(self, message: str, level: str, now: float) -> Template | None:
        """Take one message.

        Args:
            message: one line that says what happened.
            level: of the entry.
            now: Unix time (s).

        Returns:
            Its form, if that has not been seen before.
        """
        self._turn += 1
        masked = _VARIABLE.sub(PARAMETER, message[:MAX_MESSAGE])
        template = self._cache.get(masked)
        new = False
        if template is None:
            template, new = self._mine(message, level, now)
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[masked] = template
        template.count += 1
        template.turn = self._turn
        template.last_seen = max(template.last_seen, now)
        return template if new else None

    def _mine(self, message: str, level: str, now: float) -> tuple[Template, bool]:
        clean = mask_secrets(message[:MAX_MESSAGE], addresses=self._addresses)
        tokens = _VARIABLE.sub(PARAMETER, clean).split(None, MAX_TOKENS)
        words = " ".join(tokens[:MAX_TOKENS])
        cluster, _ = self._drain.add_log_message(words)
        template = self._templates.get(cluster.cluster_id)
        if template is not None:
            return template, False
        template_id = _hash(words)
        if template_id in self._ids:
            # The form that began with these words has grown too general for them.
            template_id = _hash(f"{words} {cluster.cluster_id}")
        before = self._forgotten.pop(template_id, None)
        example = clean[:MAX_EXAMPLE]
        first = now if before is None else before
        template = Template(cluster.cluster_id, template_id, first, now, 0, level, example, self._turn)
        self._templates[cluster.cluster_id] = template
        self._ids.add(template_id)
        if len(self._templates) > self._limit:
            self._forget()
        return template, before is None

    def _forget(self) -> None:
        """Drop the tenth that has not been seen for longest."""
        oldest = sorted(self._templates.values(), key=lambda each: each.turn)[: max(1, self._limit // 10)]
        for template in oldest:
            del self._templates[template.number]
            del self._drain.id_to_cluster[template.number]
            self._ids.discard(template.template_id)
            self._forgotten[template.template_id] = template.first_seen
        while len(self._forgotten) > self._limit * 5:
            del self._forgotten[next(iter(self._forgotten))]
        self._cache.clear()

    def save(self) -> dict[str, Any]:
        """Return everything as JSON's types."""
        clusters = self._drain.id_to_cluster
        return {
            "turn": self._turn,
            "learning_since": self.learning_since,
            "forgotten": self._forgotten,
            "templates": [
                [
                    *(each.number, each.template_id, each.first_seen, each.last_seen, each.count, each.level),
                    *(each.example, each.turn, clusters[each.number].log_template_tokens),
                ]
                for each in self._templates.values()
            ],
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        self._turn = saved["turn"]
        self.learning_since = saved["learning_since"]
        self._forgotten = dict(saved["forgotten"])
        for *values, tokens in saved["templates"]:
            template = Template(*values)
            cluster = LogCluster(list(tokens), template.number)
            cluster.size = template.count
            self._templates[template.number] = template
            self._ids.add(template.template_id)
            self._drain.id_to_cluster[template.number] = cluster
            self._drain.add_seq_to_prefix_tree(self._drain.root_node, cluster)
            self._drain.clusters_counter = max(self._drain.clusters_counter, template.number)
        if len(self._templates) > self._limit:
            self._forget()


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=5).hexdigest()
