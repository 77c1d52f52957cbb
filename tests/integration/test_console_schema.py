"""The API against its own OpenAPI document: schemathesis asks what it allows and what it does not, as each role.

No answer may be a server error, or of a status, media type or shape that the document does not have.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.python import asgi
from schemathesis.specs.openapi import checks

from limits.console.people import ROLES, Role
from limits.console.rate import Buckets
from limits.settings import Settings
from limits.store.db import Connection, Database
from tests import builders
from tests.web import Person, Site

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
#: Examples of each operation: as somebody who may do all, of what the document allows and of what it does not.
ALLOWED, REFUSED = 4, 6

#: Operations of which nothing can be thought of, by mode: what takes no input can be asked in no wrong way.
PASSED_OVER: dict[GenerationMode, list[str]] = {
    GenerationMode.POSITIVE: [],
    GenerationMode.NEGATIVE: [
        "GET /v1/kill-switch", "GET /v1/schedules", "GET /v1/policies/in-force", "GET /v1/challengers",
        "GET /v1/work", "GET /v1/log/verification", "GET /v1/log/verify", "GET /v1/log/reconcile", "GET /v1/reports",
    ],
}  # fmt: skip

FEW = hypothesis.settings(
    derandomize=True, database=None, deadline=None, print_blob=False, phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)  # fmt: skip


@pytest.fixture
def site(database: Database, settings: Settings, conn: Connection) -> Iterator[Site]:
    for user_id in (1, 2):
        builders.add_steady_user(conn, user_id)
        builders.add_consent(conn, user_id, dt.date(2025, 1, 1))
    builders.refresh(conn)
    made = Site(database, settings)
    made.app.state.buckets = Buckets(per_minute=10**9)
    yield made
    made.context.close()


class Asker:
    """Somebody who asks the API whatever schemathesis thinks of."""

    def __init__(self, site: Site, client: Any, person: Person | None) -> None:
        self.site, self.client, self.person = site, client, person
        self.wrong: list[str] = []
        self.statuses: dict[int, int] = {}
        #: Operations of which schemathesis could think of no example.
        self.passed_over: list[str] = []

    def ask(self, case: schemathesis.Case) -> None:
        headers = {"sec-fetch-site": "same-origin"}
        if self.person:
            headers |= {
                "cookie": f"limits_session={self.person.client.cookies['limits_session']}",
                "x-csrf-token": self.person.csrf,
            }
        answer = case.call(base_url="http://localhost", session=self.client, headers=headers)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except schemathesis.checks.FailureGroup as failed:
            asked = f"{case.method} {case.formatted_path} {case.query} {str(case.body)[:200]}"
            said = "; ".join(f"{type(one).__name__}: {one.message}" for one in failed.exceptions)
            self.wrong.append(f"{asked} -> {answer.status_code} {answer.text[:200]} {said}"[:700])

    def ask_all(self, mode: GenerationMode, times: int) -> None:
        schema = schemathesis.openapi.from_dict(self.site.app.openapi())
        schema.app, schema.location = self.site.app, "/v1/openapi.json"
        for found in schema.get_all_operations():
            strategy = found.ok().as_strategy(generation_mode=mode)
            examples = hypothesis.settings(FEW, max_examples=times)(hypothesis.given(case=strategy)(self.ask))
            try:
                hypothesis.seed(8)(examples)()
            except hypothesis.errors.Unsatisfiable:
                operation = found.ok()
                self.passed_over.append(f"{operation.method.upper()} {operation.path}")


@pytest.mark.parametrize(("mode", "times"), [(GenerationMode.POSITIVE, ALLOWED), (GenerationMode.NEGATIVE, REFUSED)])
def test_whoever_may_do_all_gets_no_server_error(site: Site, mode: GenerationMode, times: int) -> None:
    with asgi.get_client(site.app, max_stream_events=100) as client:
        asker = Asker(site, client, site.person())
        asker.ask_all(mode, times)
    assert asker.wrong == [] and asker.passed_over == PASSED_OVER[mode]
    wanted = {200} if mode is GenerationMode.POSITIVE else {422}
    assert wanted <= set(asker.statuses) and not {401, 421, 429} & set(asker.statuses), asker.statuses


@pytest.mark.parametrize("role", [*ROLES, None])
def test_each_role_gets_no_server_error(site: Site, role: Role | None) -> None:
    with asgi.get_client(site.app, max_stream_events=100) as client:
        asker = Asker(site, client, site.person(role) if role else None)
        asker.ask_all(GenerationMode.POSITIVE, 1)
    assert asker.wrong == [] and asker.passed_over == PASSED_OVER[GenerationMode.POSITIVE]
    assert (401 in asker.statuses) == (role is None)


def test_every_operation_says_what_else_it_answers(site: Site) -> None:
    """So that a program that reads the document knows of every status; 500 alone is never meant."""
    common = {"400", "401", "403", "404", "409", "413", "415", "421", "422", "429", "503"}
    for path, operations in site.app.openapi()["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/"):
                assert common <= set(operation["responses"]), (method, path)
                problems = [operation["responses"][status]["content"] for status in common]
                assert all(set(one) == {"application/problem+json"} for one in problems), (method, path)
