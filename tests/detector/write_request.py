"""The protobuf library's own WriteRequest, as the specification of remote write 1.0 defines it."""

from functools import cache
from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

FIELDS = {
    "Label": [("name", 1, "string", False), ("value", 2, "string", False)],
    "Sample": [("value", 1, "double", False), ("timestamp", 2, "int64", False)],
    "TimeSeries": [("labels", 1, "Label", True), ("samples", 2, "Sample", True)],
    "WriteRequest": [("timeseries", 1, "TimeSeries", True)],
}


@cache
def write_request() -> Any:
    """Return the message class."""
    proto = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="prw.proto", package="prw", syntax="proto3")
    scalars = {"string": proto.TYPE_STRING, "double": proto.TYPE_DOUBLE, "int64": proto.TYPE_INT64}
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number, type=scalars.get(kind, proto.TYPE_MESSAGE))
            added.label = proto.LABEL_REPEATED if repeated else proto.LABEL_OPTIONAL
            if kind not in scalars:
                added.type_name = f".prw.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prw.WriteRequest"))


def read(body: bytes) -> list[tuple[tuple[tuple[str, str], ...], list[tuple[float, int]]]]:
    """Return labels and samples of each series, as the protobuf library reads them."""
    return [
        (
            tuple((label.name, label.value) for label in series.labels),
            [(sample.value, sample.timestamp) for sample in series.samples],
        )
        for series in write_request().FromString(body).timeseries
    ]
