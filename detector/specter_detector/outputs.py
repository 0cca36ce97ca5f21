"""The output series of one job, as columns: their records, and which of them are open."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from specter_core.metrics import ANOMALY_SCORE
from specter_detector.encoding import Block, RecordTable, bits_of, stale_bits
from specter_detector.formats import BANDS, OutputFormat
from specter_detector.identities import Identities, Identity
from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.names import METRIC_NAME
from specter_detector.output import NAME, OutputLabels, substituted, writable
from specter_detector.protobuf import encode_label
from specter_detector.series import Labels

Bands = Literal["always", "anomalous"]
INVALID, DUPLICATE = -1, -2
_SLACK = 64
"""Forgotten slots that are never worth tidying up for."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one job has to say of one tick.

    Attributes:
        query: its alias.
        blocks: the records, to be read before the next tick.
        invalid: series whose labels cannot be written.
        duplicates: series whose outputs another series writes already.
        outputs: values that each of those would have had written at most.
    """

    query: str
    blocks: tuple[Block, ...]
    invalid: tuple[Labels, ...] = ()
    duplicates: tuple[Labels, ...] = ()
    outputs: int = 0

    @property
    def samples(self) -> int:
        """Number of records."""
        return sum(len(block) for block in self.blocks)

    @property
    def unwritable(self) -> tuple[Labels, ...]:
        """Series of which nothing is written."""
        return self.invalid + self.duplicates


class _Column:
    """One output of all series, by slot."""

    def __init__(self, output: str, name: str, labels: OutputLabels, query: str) -> None:
        self.output = output
        self.name = name
        self._name = encode_label(NAME, name)
        self._labels = labels
        self.band = output in BANDS
        self._scores_of = query if output == ANOMALY_SCORE else ""
        self._table = RecordTable()
        self._rows: Ints = np.zeros(0, np.int64)
        self._open: Bools = np.zeros(0, np.bool_)

    def is_open(self, slot: int) -> bool:
        return slot < len(self._open) and bool(self._open[slot])

    @property
    def nbytes(self) -> int:
        return self._table.nbytes + self._rows.nbytes + self._open.nbytes

    def grow(self, slots: int) -> None:
        missing = slots - len(self._rows)
        if missing > 0:
            room = max(missing, slots // 2)
            self._rows = np.concatenate([self._rows, np.full(room, -1)])
            self._open = np.concatenate([self._open, np.zeros(room, np.bool_)])

    def write(
        self, at: int, slots: Ints, values: Floats, series: Sequence[Labels], index: Ints
    ) -> list[Block]:
        """Return the records of `values` at `at` (ms), and staleness markers for all else that is open.

        `values` are those of `series` at `index`.
        """
        self._encode(slots, series, index)
        told = np.zeros_like(self._open)
        told[slots] = True
        ended = np.flatnonzero(self._open & ~told)
        self._open = told
        blocks = [self._table.block(self._rows[slots], bits_of(values), at, self._scores_of)]
        return [block for block in [*blocks, self._end(at, ended)] if len(block)]

    def reopen(self, slots: Ints, series: Sequence[Labels], index: Ints) -> None:
        """Take the output of `series` at `index` for open."""
        self._encode(slots, series, index)
        self._open[slots] = True

    def _encode(self, slots: Ints, series: Sequence[Labels], index: Ints) -> None:
        new = self._rows[slots] < 0
        if new.any():
            parts = [self._labels.parts(series[each]) for each in index[new].tolist()]
            encoded = [before + self._name + after for before, after in parts]
            self._rows[slots[new]] = self._table.add(encoded)

    def close(self, at: int) -> Block:
        ended = np.flatnonzero(self._open)
        self._open[:] = False
        return self._end(at, ended)

    def keep(self, slots: Ints) -> None:
        """Drop all slots but `slots`, ascending, which are numbered from 0 from then on."""
        rows = self._rows[slots]
        used = np.flatnonzero(rows >= 0)
        order = np.argsort(rows[used])
        self._table.keep(rows[used][order])
        self._rows = np.full(len(slots), -1)
        self._rows[used[order]] = np.arange(len(used))
        self._open = self._open[slots]

    def _end(self, at: int, slots: Ints) -> Block:
        return self._table.block(self._rows[slots], stale_bits(len(slots)), at)


class Outputs:
    """Makes records of what was judged, and a staleness marker where an output ends.

    Args:
        query: its alias.
        form: what outputs are called.
        variables: what its templates may refer to beside `VAR`.
        provided: the outputs of each series.
        bands: whether the band (see `formats.BANDS`) is written always or while the series is anomalous.
        max_bands: of how many anomalous series at most then, the highest score first.
        identities: of all jobs of the process.
    """

    def __init__(
        self,
        query: str,
        form: OutputFormat,
        variables: Mapping[str, str],
        provided: Iterable[str],
        *,
        bands: Bands = "always",
        max_bands: int = 100,
        identities: Identities | None = None,
    ) -> None:
        self._query = query
        self._bands = bands
        self._max_bands = max_bands
        self._identities = Identities() if identities is None else identities
        self._columns: list[_Column] = []
        self._groups: dict[tuple[tuple[str, str], ...], tuple[OutputLabels, tuple[str, ...]]] = {}
        for output, template in form.templates(provided).items():
            self._add(output, template, variables)
        self._named = all(METRIC_NAME.fullmatch(column.name) for column in self._columns)
        self._slots: dict[Labels, int] = {}
        self._used = 0
        self._leaving: set[Labels] = set()
        self._series: tuple[Labels, ...] | None = None
        self._found: Ints = np.zeros(0, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes that the records take."""
        return sum(column.nbytes for column in self._columns)

    def tick(
        self, at: float, series: Sequence[Labels], values: Mapping[str, Floats], anomalous: Bools
    ) -> Written:
        """Return the records of one tick at Unix time `at` (s).

        Args:
            at: when.
            series: each once.
            values: by output, (series,) NaN where it is not to be written; an output that is missing is not.
            anomalous: (series,) for whom bands are written where they are not always.

        Outputs that are open and not written now are ended.
        """
        self._tidy()
        slots = self._find(tuple(series))
        banded = self._banded(values, anomalous)
        milliseconds = round(at * 1000)
        blocks: list[Block] = []
        told = np.zeros(len(slots), np.bool_)
        for column in self._columns:
            known = values.get(column.output)
            wanted = np.zeros_like(told) if known is None else ~np.isnan(known)
            if column.band:
                wanted &= banded
            told |= wanted
            index = np.flatnonzero(wanted & (slots >= 0))
            column.grow(self._used)
            numbers = np.zeros(0) if known is None else known[index]
            blocks += column.write(milliseconds, slots[index], numbers, series, index)
        self._leave()
        for group, _ in self._groups.values():
            group.tidy()
        return Written(
            self._query,
            tuple(blocks),
            tuple(series[index] for index in np.flatnonzero(told & (slots == INVALID)).tolist()),
            tuple(series[index] for index in np.flatnonzero(told & (slots == DUPLICATE)).tolist()),
            len(self._columns),
        )

    def reopen(self, series: Sequence[Labels]) -> None:
        """Go on where outputs of `series` are open on the server: one that is not written next is ended.

        Bands that are not written always are left out: nobody knows whether they were.
        """
        slots = self._find(tuple(series))
        index = np.flatnonzero(slots >= 0)
        for column in self._columns:
            if self._bands == "always" or not column.band:
                column.grow(self._used)
                column.reopen(slots[index], series, index)

    def close(self, at: float) -> Written:
        """End every open output at `at` (s)."""
        blocks = [column.close(round(at * 1000)) for column in self._columns]
        self._leave()
        return Written(self._query, tuple(block for block in blocks if len(block)))

    def forget(self, series: Iterable[Labels]) -> None:
        """Drop what was made for `series`; what is open of it is ended by the next tick first."""
        self._leaving |= {labels for labels in series if labels in self._slots}
        if self._leaving:
            self._leave()

    def _add(self, output: str, template: Mapping[str, str], variables: Mapping[str, str]) -> None:
        """Add an output to the columns, and to those that have the same labels but for the name."""
        texts = {name: substituted(text, {**variables, "VAR": output}) for name, text in template.items()}
        name = texts.pop(NAME)
        key = tuple(sorted(texts.items()))
        labels, names = self._groups.get(key, (OutputLabels(texts), ()))
        self._groups[key] = labels, (*names, name)
        self._columns.append(_Column(output, name, labels, self._query))

    def _banded(self, values: Mapping[str, Floats], anomalous: Bools) -> Bools:
        """Return (series,) whether bands are written."""
        if self._bands == "always":
            return np.ones(len(anomalous), np.bool_)
        scores = values.get(ANOMALY_SCORE)
        chosen = np.flatnonzero(anomalous)
        if scores is not None and len(chosen) > self._max_bands:
            highest = np.argsort(-scores[chosen], kind="stable")
            chosen = chosen[highest]
        banded = np.zeros(len(anomalous), np.bool_)
        banded[chosen[: self._max_bands]] = True
        return banded

    def _find(self, series: tuple[Labels, ...]) -> Ints:
        """Return (series,) the slot of each, or why it has none."""
        # Usually the very same objects as at the tick before, which compare in no time.
        if series != self._series or (self._found == DUPLICATE).any():
            seen: set[int] = set()
            self._found = np.array([self._slot(labels, seen) for labels in series], np.int64)
            self._series = series
        return self._found

    def _slot(self, labels: Labels, seen: set[int]) -> int:
        slot = self._slots.get(labels)
        if slot is None:
            if not self._named or not writable(labels):
                return INVALID
            if not self._identities.claim(self._identities_of(labels)):
                return DUPLICATE
            slot = self._slots[labels] = self._used
            self._used += 1
        elif slot in seen:
            return DUPLICATE
        self._leaving.discard(labels)
        seen.add(slot)
        return slot

    def _identities_of(self, labels: Labels) -> list[Identity]:
        return [(hash(group.parts(labels)), names) for group, names in self._groups.values()]

    def _leave(self) -> None:
        """Drop the slots of what is to be forgotten and has no output open, and tidy up now and then."""
        if not self._leaving:
            return
        gone = {labels for labels in self._leaving if not self._is_open(self._slots[labels])}
        self._leaving -= gone
        for labels in gone:
            del self._slots[labels]
            self._identities.release(self._identities_of(labels))
        if self._series is not None and gone.intersection(self._series):
            self._series = None

    def _is_open(self, slot: int) -> bool:
        return any(column.is_open(slot) for column in self._columns)

    def _tidy(self) -> None:
        """Number slots and rows anew, now and then; nobody reads the blocks of the tick before any more."""
        if self._used - len(self._slots) <= max(_SLACK, len(self._slots) // 4):
            return
        kept = sorted(self._slots.items(), key=lambda item: item[1])
        slots = np.array([slot for _, slot in kept], np.int64)
        for column in self._columns:
            column.grow(self._used)
            column.keep(slots)
        self._slots = {labels: slot for slot, (labels, _) in enumerate(kept)}
        self._used = len(kept)
        self._series = None
