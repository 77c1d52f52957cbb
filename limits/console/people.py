"""Who asks, and who may what. Every route names the roles that may use it; tests/routes has the matrix of all.

Roles come from the claims of the identity provider, the scopes of a token, or the sign-in link of a local person:

risk        reviews, the gate, schedules, policies, risk models
operations  users: recompute, requests, overrides, consents, notices
approver    the second person: policies, overrides, risk models, held reviews
auditor     the log; reads only, by the auditor's database role
admin       tokens of machines and sessions of people; nothing of users
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from starlette.datastructures import FormData

from limits.console.problems import Problem

Role = Literal["risk", "operations", "approver", "auditor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Principal:
    """A person who signed in, or a machine with a token. ``actor`` is what the log says of who acted."""

    actor: str
    roles: frozenset[Role]
    kind: Literal["person", "machine"]
    #: Of a person: what forms and writing requests have to bring along. Of machines empty: no browser adds their token.
    csrf: str = ""

    @property
    def name(self) -> str:
        """By which the principal is counted: a person in every session, a machine by its token."""
        return f"{self.kind} {self.actor}"

    def may(self, *roles: Role) -> bool:
        """Whether one of the roles is among the principal's."""
        return not self.roles.isdisjoint(roles)


class SignInNeeded(Exception):
    """A page was asked for by nobody: the way to sign in is shown."""


def principal_of(request: Request) -> Principal:
    """Who asks. Problem 401 for the API; SignInNeeded for pages."""
    found: Principal | None = request.scope.get("limits.principal")
    if found is not None:
        return found
    if request.url.path.startswith("/v1/"):
        words = "sign in, or send a token: Authorization: Bearer ..."
        raise Problem(401, "sign-in-needed", words, headers={"www-authenticate": "Bearer"})
    raise SignInNeeded


def may(*roles: Role) -> Callable[[Request], Principal]:
    """Dependency: the principal, who has one of ``roles``; else Problem 403. ``may()`` lets in whoever signed in."""

    def check(request: Request) -> Principal:
        who = principal_of(request)
        if not _is_among(who, roles):
            raise Problem(
                403, "not-for-this-role", f"this needs the role {' or '.join(roles)}; {who.actor} has {_said(who)}"
            )
        if request.method not in ("GET", "HEAD") and who.kind == "person" and request.url.path.startswith("/v1/"):
            _same_token(who, request.headers.get("x-csrf-token", ""))
        return who

    check.limits_roles = roles or ROLES  # type: ignore[attr-defined]  # read by the test of the matrix
    check.limits_lets_in = _lets_in(roles)  # type: ignore[attr-defined]
    return check


def lets_in(dependant: Dependant, request: Request) -> bool:
    """Whether all that guards a route lets the request in, asked before any of it has refused.

    What guards is whatever the route depends on and has ``limits_lets_in``.
    """
    guards = getattr(dependant.call, "limits_lets_in", None)
    return (guards is None or guards(request)) and all(lets_in(one, request) for one in dependant.dependencies)


def _lets_in(roles: tuple[Role, ...]) -> Callable[[Request], bool]:
    def ask(request: Request) -> bool:
        who: Principal | None = request.scope.get("limits.principal")
        return who is not None and _is_among(who, roles)

    return ask


def _is_among(who: Principal, roles: tuple[Role, ...]) -> bool:
    return not roles or who.may(*roles)


@dataclass(frozen=True)
class Posted:
    """A form that a person sent from a page of ours: its fields are plain text, and sent twice it has the same key."""

    who: Principal
    form: FormData

    def text(self, name: str, *, longest: int = 500) -> str:
        """A field, stripped; empty where it is not there. Problem 422 for what no field of ours holds."""
        value = self.form.get(name, "")
        if not isinstance(value, str):
            raise Problem(422, "not-a-text", f"{name} is not a text")
        value = value.strip()
        if len(value) > longest:
            raise Problem(422, "too-long", f"{name} has {len(value)} characters; {longest} are possible")
        if any(not c.isprintable() for c in value):
            raise Problem(422, "not-printable", f"{name} holds a character that cannot be printed")
        return value

    def needed(self, name: str, *, longest: int = 500) -> str:
        """A field that may not be empty."""
        value = self.text(name, longest=longest)
        if not value:
            raise Problem(422, "missing", f"{name} is missing")
        return value

    @property
    def key(self) -> str:
        """The form's own key: a second click sends it again, and is answered as the first was."""
        return self.needed("idempotency_key", longest=100)


def posted(*roles: Role) -> Callable[..., Posted]:
    """Dependency of a page that is posted to: who may, and that the form is from one of our pages."""
    allowed = may(*roles)

    async def check(request: Request, who: Principal = Depends(allowed)) -> Posted:
        form = await request.form(max_files=1, max_fields=200)
        token = form.get("csrf", "")
        _same_token(who, token if isinstance(token, str) else "")
        return Posted(who, form)

    check.limits_roles = roles or ROLES  # type: ignore[attr-defined]
    return check  # type: ignore[return-value]


def _said(who: Principal) -> str:
    return ", ".join(role for role in ROLES if role in who.roles) or "no role"


def _same_token(who: Principal, given: str) -> None:
    if not who.csrf or not secrets.compare_digest(who.csrf.encode(), given.encode()):
        raise Problem(403, "form-too-old", "this form is not from a page of your session; load the page again")
