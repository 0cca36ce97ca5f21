"""What was written, read back record by record."""

from collections.abc import Iterable

import numpy as np
from prometheus_client import CollectorRegistry

from specter_detector.encoding import FixedBlock
from specter_detector.outputs import Written
from specter_detector.packing import decompress
from specter_detector.protobuf import Record, decode, encode_record


def samples_of(written: Written) -> list[Record]:
    """Return the records of one tick of one job."""
    return [record for block in written.blocks for record in decode(block.read(0, len(block)))]


def scores_of(written: Written) -> list[float | None]:
    """Return the anomaly scores among them."""
    return [record.value for record in samples_of(written) if name_of(record) == "anomaly_score"]


def records_in(bodies: Iterable[bytes]) -> list[Record]:
    """Return the records of compressed requests."""
    return [record for body in bodies for record in decode(decompress(body))]


def name_of(record: Record) -> str:
    """Return the metric that a record is of."""
    return dict(record.labels)["__name__"]


def block_of(records: Iterable[Record], scores_of: str = "") -> FixedBlock:
    """Return `records` as a job's outputs would give them."""
    encoded = [encode_record(record) for record in records]
    ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
    return FixedBlock(b"".join(encoded), ends, scores_of)


def written_of(records: Iterable[Record], scores_of: str = "") -> Written:
    """Return `records` as what a job has to say of a tick."""
    return Written(scores_of or "q", (block_of(records, scores_of),))


def dropped(registry: CollectorRegistry, reason: str) -> float | None:
    """Return how many samples were given up for `reason`."""
    return registry.get_sample_value("specter_detector_samples_dropped_total", {"reason": reason})
