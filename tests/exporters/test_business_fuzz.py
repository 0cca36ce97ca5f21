"""Whatever the endpoint for business events is sent: an answer as its document says, and never a 5xx."""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from werkzeug.test import Client

from tests.exporters.business_setup import TOKEN, catalogue
from tests.exporters.test_business_endpoint import HEADERS, PATH, Site

DOCUMENT = "/api/v1/openapi.json"
WITH_OUR_TOKEN = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
MANY = settings(
    max_examples=120, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_the_endpoint_keeps_to_its_document(mode: schemathesis.GenerationMode) -> None:
    site = Site(rate=1e9)
    document = schemathesis.openapi.from_wsgi(DOCUMENT, site.endpoint, config=WITH_OUR_TOKEN)
    (operation,) = [each.ok() for each in document.get_all_operations() if isinstance(each, Ok)]

    @given(case=operation.as_strategy(generation_mode=mode))
    @MANY
    def keeps_to_it(case: "schemathesis.Case[Any]") -> None:
        # No schema says which event may carry what: 422 is right for much that is well-formed.
        case.call_and_validate(
            headers={"Authorization": f"Bearer {TOKEN}"}, excluded_checks=[positive_data_acceptance]
        )

    keeps_to_it()
    assert site.requests("shop", 500) is None
    assert (site.requests("shop", 422) or 0) > 10


def test_the_document_names_what_the_catalogue_does() -> None:
    said: Any = Client(Site().endpoint).get(DOCUMENT).json
    assert said["openapi"] == "3.1.0"
    assert list(said["paths"]) == [PATH]
    event = said["components"]["schemas"]["Event"]
    assert event["properties"]["event"]["enum"] == list(catalogue().events)
    assert event["properties"]["currency"]["enum"] == ["EUR", "USD", None]
    assert event["additionalProperties"] is False


NAMES = st.one_of(st.sampled_from([*catalogue().events, "oder"]), st.text(max_size=20))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=300),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
)  # fmt: skip
KEYS = ["outcome", "reason", "amount", "currency", "seconds", "tokens", "count", "feature", "user", "session"]
LIKELY = st.one_of(SCALARS, st.sampled_from(["success", "failed", "card_declined", "EUR", "chat"]))
EVENTS = st.builds(
    lambda name, rest: {**rest, "event": name},
    NAMES,
    st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), LIKELY, max_size=6),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.one_of(EVENTS, st.lists(st.one_of(EVENTS, SCALARS), max_size=10), SCALARS).map(
        lambda found: json.dumps(found).encode()
    ),
)


def test_no_body_is_an_error_of_ours_and_series_stay_those_of_the_catalogue() -> None:
    site = Site(rate=1e9)

    @given(body=BODIES, key=st.one_of(st.none(), st.text("abc", max_size=2)))
    @MANY
    def answers(body: bytes, key: str | None) -> None:
        headers = HEADERS if key is None else {**HEADERS, "Idempotency-Key": key}
        answer = site.client.post(PATH, data=body, headers=headers)
        assert answer.status_code in {200, 400, 409, 413, 422}
        assert answer.json is not None
        if answer.status_code == 422 and "refused" in answer.json:
            assert all(one["detail"].isascii() for one in answer.json["refused"])

    answers()
    site.business.event("visit")
    series = [line for line in generate_latest(site.business.registry).splitlines() if line[:1] != b"#"]
    assert len(series) < 200
