"""Which of several detectors watches which series: by a hash of the labels, inside and across queries."""

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from specter_core.errors import UsageError
from specter_core.metrics import DETECTOR_REPLICA
from specter_detector.series import Labels

INDEX, COUNT, REPLICAS = (
    "SPECTER_DETECTOR_SHARD_INDEX",
    "SPECTER_DETECTOR_SHARD_COUNT",
    "SPECTER_DETECTOR_SHARD_REPLICAS",
)
ORDINAL = re.compile(r"(?:.*-)?(\d+)")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of all series, watched by `replicas` detectors each.

    Attributes:
        index: of the part, from 0.
        count: of parts.
        replica: which of the detectors that watch this part, from 0.
        replicas: how many do. More than one carry the label `detector_replica`, because two writers of one
            series would contradict each other: queries and alerts take the maximum over it.
    """

    index: int = 0
    count: int = 1
    replica: int = 0
    replicas: int = 1

    def owns(self, labels: Labels) -> bool:
        """Whether the series belongs to this part: the same one in every query, everywhere, for ever."""
        if self.count == 1:
            return True
        text = "\xff".join(f"{name}\xfe{value}" for name, value in labels if name != "__name__")
        # The same everywhere and even for labels that are alike; Python's own hash differs between processes.
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.index

    @property
    def extra_labels(self) -> Mapping[str, str]:
        """What tells the outputs of replicas apart."""
        return {DETECTOR_REPLICA: str(self.replica)} if self.replicas > 1 else {}

    def chosen(self, series: Collection[Labels]) -> list[Labels]:
        """Return those of `series` that belong to this part."""
        return [labels for labels in series if self.owns(labels)]


WHOLE = Shard()


def numbered(ordinal: int, count: int, replicas: int) -> Shard:
    """Return the shard of detector number `ordinal` of `count` times `replicas`.

    Detectors 0 … replicas-1 watch part 0, the next ones part 1, and so on.

    Raises:
        UsageError: there is no such detector.
    """
    if count < 1 or replicas < 1 or not 0 <= ordinal < count * replicas:
        raise UsageError(
            f"shard: index {ordinal} of {count} shards with {replicas} replica(s): "
            f"expected an index from 0 to {count * replicas - 1}"
        )
    return Shard(ordinal // replicas, count, ordinal % replicas, replicas)


def from_environment(default: Shard, environment: Mapping[str, str] | None = None) -> Shard:
    """Return the shard that the environment names, `default` where it names none.

    The index may be a number or the name of a StatefulSet's pod, of which the ordinal at its end counts.

    Raises:
        UsageError: one of the variables is no number.
    """
    environment = os.environ if environment is None else environment
    if not environment.keys() & {INDEX, COUNT, REPLICAS}:
        return default
    number = ORDINAL.fullmatch(
        environment.get(INDEX, str(default.index * default.replicas + default.replica))
    )
    if number is None:
        raise UsageError(
            f"{INDEX}={environment[INDEX]!r}: expected a number, or a pod's name such as detector-0"
        )
    values = {}
    for name, value in ((COUNT, default.count), (REPLICAS, default.replicas)):
        text = environment.get(name, str(value))
        if not text.isdecimal():
            raise UsageError(f"{name}={text!r}: expected a number")
        values[name] = int(text)
    return numbered(int(number[1]), values[COUNT], values[REPLICAS])
