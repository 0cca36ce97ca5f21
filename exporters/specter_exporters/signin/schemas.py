"""What the API answers and the parameters that it takes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AcceptedModel(BaseModel):
    """Events were recorded."""

    accepted: int


class BreachModel(BaseModel):
    """An account that was signed in to after a run of failures from the same source."""

    number: int = Field(description="Counts up from 1 since the start of the exporter.")
    time: float = Field(description="When it was signed in to, Unix seconds.")
    account: str = Field(description="The account's id, as the service sent it.")
    source: str = Field(
        description="The source, an IPv4 address or an IPv6 /64: its keyed hash as in the metrics, or itself."
    )
    kind: Literal["many_accounts", "one_account"] = Field(
        description="Whether many accounts were tried from there, or this one many times."
    )
    failures: int = Field(description="Failures from the source in the window before.")
    accounts_tried: int | None = Field(description="Different accounts that failed from there, if known.")


class BreachesModel(BaseModel):
    """Suspected breaches, the newest first."""

    breaches: list[BreachModel]
    next: int | None = Field(description="Give this as `before` for the next page; null if there is none.")


class BreachesRequest(BaseModel):
    """Parameters of the list."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    limit: int = Field(default=100, ge=1, le=1000, description="How many.")
    before: int | None = Field(default=None, ge=1, le=2**53, description="Only those with smaller numbers.")
