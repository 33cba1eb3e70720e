"""The server keeps to its OpenAPI document, whatever is sent to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from jurybox.web.app import document
from support.web import OWNER_TOKEN, stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it depends on
    import schemathesis
    from schemathesis.specs.openapi.checks import positive_data_acceptance

pytestmark = pytest.mark.slow

RELAXED = {"database": None, "suppress_health_check": list(HealthCheck)}
OPERATIONS = [
    f"{method.upper()} {path}" for path, methods in document()["paths"].items() for method in methods
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    location = str(tmp_path_factory.mktemp("contract") / "p.db")
    with stage(location, sign_in_attempts=10**6, webhooks=True) as made:
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", made.app)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_is_in_the_document(schema: Any, operation: str) -> None:
    method, path = operation.split(" ")

    @settings(max_examples=6, **RELAXED)  # type: ignore[arg-type]
    @given(case=schema[path][method].as_strategy())
    def answer_is_in_the_document(case: Any) -> None:
        headers = {"Authorization": f"Bearer {OWNER_TOKEN}"}
        # Refused all the same though of the right form: labels that are no classes, files that are none.
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

    answer_is_in_the_document()


def test_the_document_is_complete(tmp_path: Path) -> None:
    with stage(str(tmp_path / "p.db")) as made:
        made_document = made.client().get("/api/v1/openapi.json").json()
    assert made_document["openapi"].startswith("3.1")
    operations = [operation for methods in made_document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert "application/problem+json" in operation["responses"]["422"]["content"]
