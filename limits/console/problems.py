"""Errors of the API as RFC 9457 has them (application/problem+json), and of pages as a page.

``type`` is ``/problems/NAME``: the name is stable, the words may change. An error of the engine keeps its sentence,
which names the culprit and the mend.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from limits import errors


class Problem(Exception):
    """What is answered in place of a result."""

    def __init__(
        self, status: int, name: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.name, self.detail, self.headers, self.more = status, name, detail, headers or {}, more

    def as_dict(self, instance: str) -> dict[str, Any]:
        """The members of RFC 9457."""
        title = self.name.replace("-", " ")
        base = {"type": f"/problems/{self.name}", "title": title, "status": self.status, "detail": self.detail}
        return base | {"instance": instance} | self.more


class ProblemModel(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field(examples=["/problems/not-found"])
    title: str
    status: int
    detail: str = Field(description="One sentence with the culprit and the mend.")
    instance: str = Field(description="The path that was asked for.")


#: Which status and name an error of the product has; the first that fits counts.
STATUS: tuple[tuple[type[errors.LimitsError], int, str], ...] = (
    (errors.InArchive, 410, "in-the-archive"),
    (errors.NotFound, 404, "not-found"),
    (errors.MigrationError, 503, "schema-not-ready"),
    (errors.DatabaseError, 503, "database-unavailable"),
    (errors.BrokerError, 503, "broker-unavailable"),
    (errors.SettingsError, 500, "settings"),
    (errors.InputError, 422, "not-usable"),
    (errors.LimitsError, 409, "refused"),
)


def problem_of(error: errors.LimitsError) -> Problem:
    """The problem that an error of the product is told as."""
    for kind, status, name in STATUS:
        if isinstance(error, kind):
            return Problem(status, name, str(error))
    raise AssertionError("LimitsError stands last in STATUS")


def without_answer() -> Problem:
    """The problem where the connection to the database was lost, or none was free."""
    words = "the database does not answer, or is too busy; try again in a moment"
    return Problem(503, "database-unavailable", words, headers={"retry-after": "5"})


#: What every operation of the API may answer, for its OpenAPI document.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": words,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemModel"}}},
    }
    for status, words in {
        400: "Not readable as HTTP or JSON.",
        401: "Nobody signed in.",
        403: "Not for this role, or not from a page of the session.",
        404: "Not there.",
        409: "Refused: what is there does not allow it.",
        410: "In an archive file.",
        413: "The body is too large.",
        415: "The body is not JSON.",
        421: "Asked for under another name than the server's.",
        422: "A value that cannot be used.",
        429: "Too many requests.",
        503: "The database or the broker does not answer.",
    }.items()
}
