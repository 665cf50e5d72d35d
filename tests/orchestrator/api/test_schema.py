"""Requests made up from the API's own schema: none breaks it, every answer has the shape that the schema promises."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.specs.openapi.checks import allow_header_conformance, positive_data_acceptance

from orchestrator.api.application import application
from orchestrator.backends.direct import Direct
from orchestrator.ledger import Ledger
from orchestrator.settings import Settings
from tests.orchestrator.api.served import TOKEN

ENDLESS = "/v1/events"
OPENAPI = application(Direct(Settings()), TOKEN).openapi()
OPERATIONS = [(method, path) for path, methods in OPENAPI["paths"].items() for method in methods if path != "/healthz"]


def without_security(openapi: dict[str, Any]) -> dict[str, Any]:
    """The same schema for somebody who always shows the token."""
    open_to_all = copy.deepcopy(openapi)
    for methods in open_to_all["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return open_to_all


schema = schemathesis.openapi.from_dict(without_security(OPENAPI)).exclude(path=ENDLESS)


@schema.parametrize()
@hypothesis.settings(
    max_examples=12,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_whatever_is_sent_is_answered_as_the_schema_says(case: schemathesis.Case, url: str, inhabited: Ledger) -> None:
    # `Allow` has the methods of a path's first route only; which texts are search spaces, no schema says.
    excluded = [
        allow_header_conformance,
        *([positive_data_acceptance] if case.path in ("/v1/plan", "/v1/sweeps") else []),
    ]
    case.call_and_validate(
        base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, excluded_checks=excluded, timeout=60
    )


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_nothing_is_told_to_those_who_do_not_show_the_token(url: str, method: str, path: str) -> None:
    for shown in (None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN):
        headers = {} if shown is None else {"Authorization": shown}
        answer = httpx.request(method, url + path, headers=headers, content=b"{broken")
        assert (answer.status_code, answer.json()["kind"]) == (401, "AccessError")
