"""A write that is asked for twice is done once; what is known is not sent twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from limits.console.once import once
from limits.console.people import Principal
from limits.console.problems import Problem
from limits.errors import DatabaseError, InputError
from limits.settings import Settings
from limits.store.db import Database
from tests.web import Site, together

ACTOR = Principal("Ann Lee", frozenset(["risk"]), "person", "c" * 43)


class Stopped(BaseException):
    """The process is told to end."""


@pytest.fixture
def site(database: Database, settings: Settings) -> Site:
    return Site(database, settings)


def test_of_requests_with_one_key_that_come_together_one_is_carried_out(site: Site) -> None:
    done: list[int] = []

    def act() -> dict[str, int]:
        done.append(1)
        return {"n": len(done)}

    def ask() -> Any:
        try:
            return once(site.context, ACTOR, "k", "a thing", {"a": 1}, act)
        except Problem as problem:
            return problem.name

    answers = together(ask, 6)
    assert done == [1]
    assert [one for one in answers if one not in ({"n": 1}, "outcome-unknown")] == [] and {"n": 1} in answers
    assert ask() == {"n": 1}


def test_a_key_belongs_to_who_sent_it_and_to_one_request(site: Site) -> None:
    bo = Principal("Bo Chen", frozenset(["risk"]), "person", "c")
    assert once(site.context, ACTOR, "k", "a thing", {"a": 1}, lambda: "Ann's") == "Ann's"
    assert once(site.context, bo, "k", "a thing", {"a": 1}, lambda: "Bo's") == "Bo's"
    for what, body in (("a thing", {"a": 2}), ("another", {"a": 1})):
        with pytest.raises(Problem, match="sent with another request"):
            once(site.context, ACTOR, "k", what, body, lambda: "never")


def test_a_refusal_is_kept_and_a_failure_of_the_database_is_not(site: Site) -> None:
    errors: list[Exception] = [InputError("no such thing"), DatabaseError("gone for a moment")]

    def act() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    for _ in range(2):
        with pytest.raises((Problem, InputError), match="no such thing"):
            once(site.context, ACTOR, "refused", "a thing", {}, act)
    with pytest.raises(DatabaseError):
        once(site.context, ACTOR, "failed", "a thing", {}, act)
    assert once(site.context, ACTOR, "failed", "a thing", {}, act) == "done"


def test_what_was_cut_off_half_way_is_not_done_again_in_silence(site: Site) -> None:
    def stop() -> str:
        raise Stopped

    for known, then in ((False, "outcome-unknown"), (True, "done")):
        with pytest.raises(Stopped):
            once(site.context, ACTOR, f"k{known}", "a thing", {}, stop, known_below=known)
        try:
            given = once(site.context, ACTOR, f"k{known}", "a thing", {}, lambda: "done", known_below=known)
        except Problem as problem:
            given = problem.name
        assert given == then


# What the API tells twice ---------------------------------------------------------------------------------------------


def test_what_is_known_is_not_sent_again(site: Site) -> None:
    person = site.person()
    first = person.ask("/v1/reviews")
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = person.ask("/v1/reviews", headers={"if-none-match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "private, no-cache"
    assert person.ask("/v1/reviews", headers={"if-none-match": '"x"'}).json() == first.json()
    assert "etag" not in person.ask("/v1/reviews?limit=0").headers
    assert json.loads(first.text)["next"] is None


def test_the_document_of_the_api_is_there(site: Site) -> None:
    document = site.nobody().get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1") and "/v1/reviews" in document["paths"]
