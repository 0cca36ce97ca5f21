"""Sign-ins as events, for services in other languages: checked as a batch, taken as a whole or not at all."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from specter_core.errors import SpecterError
from specter_exporters.proxies import TrustedProxies
from specter_exporters.signin.outcomes import Outcome
from specter_exporters.signin.recorder import MAX_ACCOUNT, SignIns

MAX_EVENTS = 1000
NO_PROXIES = TrustedProxies()
SHOWN_ERRORS = 10
MAX_MESSAGE = 300  # an unknown name is quoted, and may be of any length

Source = Annotated[
    str, Field(max_length=64, description="Address of the client; what is none counts as `invalid`.")
]
Account = Annotated[
    str | None,
    Field(max_length=MAX_ACCOUNT, description="Id of the account, as the breaches API shall show it."),
]
ForwardedFor = Annotated[
    str,
    Field(
        max_length=2048,
        description="The X-Forwarded-For headers, joined with commas, where `source` may be a proxy: "
        "believed as far as it was written by trusted_proxies.",
    ),
]
UserAgent = Annotated[str | None, Field(max_length=2048, description="The User-Agent header.")]
Time = Annotated[
    Annotated[float, Strict()] | None,
    Field(ge=0, le=1e11, allow_inf_nan=False, description="Unix seconds; the time of arrival by default."),
]


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    time: Time = None


class AttemptEvent(_Event):
    """An attempt to sign in."""

    event: Literal["attempt"]
    source: Source
    outcome: Outcome
    account: Account = None
    forwarded_for: ForwardedFor = ""
    user_agent: UserAgent = None


class RequestEvent(_Event):
    """An HTTP request, counted by source and by class of its user agent."""

    event: Literal["request"]
    source: Source
    forwarded_for: ForwardedFor = ""
    user_agent: UserAgent = None


class CountedEvent(_Event):
    """Something that is only counted: a CAPTCHA shown or solved, an account locked."""

    event: Literal["captcha_challenge", "captcha_success", "lockout"]


Event = Annotated[AttemptEvent | RequestEvent | CountedEvent, Field(discriminator="event")]
EVENTS: TypeAdapter[list[AttemptEvent | RequestEvent | CountedEvent]] = TypeAdapter(
    Annotated[list[Event], Field(min_length=1, max_length=MAX_EVENTS)]
)


class EventError(SpecterError):
    """A batch of events is invalid; the message names what is wrong where, and no value."""


def ingest(signins: SignIns, events: list[dict[str, Any]], proxies: TrustedProxies = NO_PROXIES) -> int:
    """Check `events` (decoded JSON) and record them all; return how many.

    Args:
        signins: where to.
        events: as a batch of JSON has them.
        proxies: whose `X-Forwarded-For` is believed.

    Raises:
        EventError: one of them is invalid; none is recorded then.
    """
    return _record(signins, proxies, lambda: EVENTS.validate_python(events, strict=False))


def ingest_json(signins: SignIns, body: bytes, proxies: TrustedProxies = NO_PROXIES) -> int:
    """Check and record a JSON array of events; see `ingest`."""
    return _record(signins, proxies, lambda: EVENTS.validate_json(body))


def _record(
    signins: SignIns,
    proxies: TrustedProxies,
    validate: Callable[[], list[AttemptEvent | RequestEvent | CountedEvent]],
) -> int:
    try:
        events = validate()
    except ValidationError as error:
        signins.refuse("invalid")
        raise EventError(_described(error)) from None
    for event in events:
        match event:
            case AttemptEvent():
                source = proxies.client(event.source, event.forwarded_for)
                signins.attempt(
                    source, event.account, event.outcome, user_agent=event.user_agent, at=event.time
                )
            case RequestEvent():
                source = proxies.client(event.source, event.forwarded_for)
                signins.request(source, event.user_agent, at=event.time)
            case CountedEvent():
                COUNT[event.event](signins)
    return len(events)


COUNT: dict[str, Callable[[SignIns], None]] = {
    "captcha_challenge": SignIns.captcha_challenge,
    "captcha_success": SignIns.captcha_success,
    "lockout": SignIns.lockout,
}


def _described(error: ValidationError) -> str:
    """Return the first errors with their places; values stay out, they may be accounts."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    found = [f"{_place(detail['loc'])}: {detail['msg'][:MAX_MESSAGE]}" for detail in details[:SHOWN_ERRORS]]
    more = len(details) - len(found)
    return "; ".join(found) + (f"; and {more} more" if more > 0 else "")


def _place(loc: tuple[int | str, ...]) -> str:
    if not loc:
        return "body"
    # Behind the number of the event stands its kind, as pydantic calls it; behind that, names of fields.
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part[:40]}" for part in loc).lstrip(".")
