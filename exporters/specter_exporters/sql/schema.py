"""What the configuration file may say."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from specter_core.config import Schema
from specter_exporters.logs.schema import Seconds
from specter_exporters.sql.model import MarkKind, Sample, Severity
from specter_exporters.sql.statements import problem

MOST_DATABASES = 20
MOST_CHECKS = 200
MOST_GROUPS = 200
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected lower-case letters, digits, _ and -, beginning with a letter")
    return text


def _query(text: str) -> str:
    wrong = problem(text)
    if wrong:
        raise ValueError(wrong)
    return text


Name = Annotated[str, Field(max_length=64), AfterValidator(_name)]
Query = Annotated[str, Field(max_length=20_000), AfterValidator(_query)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
Text = Annotated[str, Field(min_length=1)]
Interval = Annotated[Seconds, Field(ge=1, le=7 * 86_400)]
Timeout = Annotated[Seconds, Field(ge=0.1, le=600)]
Bound = Annotated[float, Field(allow_inf_nan=False)]
Most = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DatabaseSchema(Schema):
    """One entry of `databases`."""

    name: Name
    dsn: Text | None = Field(default=None, repr=False)
    dsn_file: Text | None = None
    dsn_env: Variable | None = None
    password_file: Text | None = None
    password_env: Variable | None = None
    concurrency: Annotated[int, Field(ge=1, le=4)] = 1

    @model_validator(mode="after")
    def _one(self) -> "DatabaseSchema":
        if sum(each is not None for each in (self.dsn, self.dsn_file, self.dsn_env)) != 1:
            raise ValueError("needs one of dsn, dsn_file and dsn_env")
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("needs password_file or password_env, not both")
        return self


class TimedSchema(Schema):
    """What every check has."""

    name: Name
    interval: Interval = 60.0
    timeout: Timeout = 10.0


class IntegritySchema(TimedSchema):
    """One entry of `integrity`."""

    database: Name
    query: Query
    at_most: Bound | None = None
    at_least: Bound | None = None
    sample: Sample = "masked"
    key: Text | None = None
    severity: Severity = "warning"

    @model_validator(mode="after")
    def _bounds(self) -> "IntegritySchema":
        counts = self.at_most is not None or self.at_least is not None
        if self.at_most is not None and self.at_least is not None and self.at_most < self.at_least:
            raise ValueError("at_most is below at_least: nothing could be right")
        if counts and self.key is not None:
            raise ValueError("key names a column of violating rows; a count has none")
        return self


class BusinessSchema(TimedSchema):
    """One entry of `business`."""

    database: Name
    query: Query
    by: Text | None = None
    groups: Annotated[int, Field(ge=1, le=MOST_GROUPS)] = 20


class SideSchema(Schema):
    """`source` or `target` of a synchronisation."""

    database: Name
    rows: Query | None = None
    mark: Query | None = None


class SyncSchema(TimedSchema):
    """One entry of `sync`."""

    source: SideSchema
    target: SideSchema
    mark: MarkKind = "time"
    most_lag: Annotated[Seconds, Field(gt=0)] | None = None
    most_mark_difference: Most | None = None
    most_row_difference: Most | None = None

    @model_validator(mode="after")
    def _pairs(self) -> "SyncSchema":
        if self.source.rows is None and self.source.mark is None:
            raise ValueError("nothing is compared; expected rows, mark or both in source and target")
        for what in ("rows", "mark"):
            if (getattr(self.source, what) is None) != (getattr(self.target, what) is None):
                raise ValueError(f"{what} is in source or target alone; it is compared")
        if self.most_row_difference is not None and self.source.rows is None:
            raise ValueError("most_row_difference needs rows in source and target")
        if self.most_lag is not None and (self.source.mark is None or self.mark != "time"):
            raise ValueError("most_lag needs mark: time, and mark in source and target")
        if self.most_mark_difference is not None and (self.source.mark is None or self.mark != "number"):
            raise ValueError("most_mark_difference needs mark: number, and mark in source and target")
        return self


class SqlSchema(Schema):
    """The file."""

    databases: Annotated[list[DatabaseSchema], Field(min_length=1, max_length=MOST_DATABASES)]
    integrity: Annotated[list[IntegritySchema], Field(default_factory=list, max_length=MOST_CHECKS)]
    business: Annotated[list[BusinessSchema], Field(default_factory=list, max_length=MOST_CHECKS)]
    sync: Annotated[list[SyncSchema], Field(default_factory=list, max_length=50)]
