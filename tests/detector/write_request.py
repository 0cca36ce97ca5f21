"""The protobuf library's own WriteRequest, as the specification of remote write 1.0 defines it."""

from typing import Any

from tests.detector.protobuf_classes import write_messages


def write_request() -> Any:
    """Return the message class."""
    return write_messages()["WriteRequest"]


def read(body: bytes) -> list[tuple[tuple[tuple[str, str], ...], list[tuple[float, int]]]]:
    """Return labels and samples of each series, as the protobuf library reads them."""
    return [
        (
            tuple((label.name, label.value) for label in series.labels),
            [(sample.value, sample.timestamp) for sample in series.samples],
        )
        for series in write_request().FromString(body).timeseries
    ]
