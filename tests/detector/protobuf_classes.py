"""The protobuf library's own classes for Prometheus' messages: what our encoders are compared with."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

Field = tuple[str, int, str, bool]
"""Name, number, type, whether it is repeated."""

SERIES: Mapping[str, Sequence[Field]] = {
    "Label": [("name", 1, "string", False), ("value", 2, "string", False)],
    "Sample": [("value", 1, "double", False), ("timestamp", 2, "int64", False)],
    "TimeSeries": [("labels", 1, "Label", True), ("samples", 2, "Sample", True)],
}
WRITE: Mapping[str, Sequence[Field]] = {**SERIES, "WriteRequest": [("timeseries", 1, "TimeSeries", True)]}
READ: Mapping[str, Sequence[Field]] = {
    **SERIES,
    "QueryResult": [("timeseries", 1, "TimeSeries", True)],
    "ReadResponse": [("results", 1, "QueryResult", True)],
    "LabelMatcher": [
        ("type", 1, "int64", False),
        ("name", 2, "string", False),
        ("value", 3, "string", False),
    ],
    "Query": [
        ("start_timestamp_ms", 1, "int64", False),
        ("end_timestamp_ms", 2, "int64", False),
        ("matchers", 3, "LabelMatcher", True),
    ],
    "ReadRequest": [("queries", 1, "Query", True)],
}


def _made(fields: Mapping[str, Sequence[Field]]) -> dict[str, Any]:
    proto = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="prometheus.proto", package="prometheus", syntax="proto3")
    scalars = {"string": proto.TYPE_STRING, "double": proto.TYPE_DOUBLE, "int64": proto.TYPE_INT64}
    for name, of_message in fields.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in of_message:
            added = message.field.add(name=field, number=number, type=scalars.get(kind, proto.TYPE_MESSAGE))
            added.label = proto.LABEL_REPEATED if repeated else proto.LABEL_OPTIONAL
            if kind not in scalars:
                added.type_name = f".prometheus.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"prometheus.{name}"))
        for name in fields
    }


@cache
def write_messages() -> dict[str, Any]:
    """Return the classes of remote write 1.0 by name."""
    return _made(WRITE)


@cache
def read_messages() -> dict[str, Any]:
    """Return the classes of remote read by name."""
    return _made(READ)
