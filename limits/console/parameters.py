"""What stands behind the "?" of an address: only what its route declares, and once where one is taken.

A parameter that nobody reads would be its default in silence: a list would show everything, as if everything matched.
The whole application depends on this check (``app.py``), so that no route can be without it.
"""

from __future__ import annotations

from typing import get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from limits.console.people import lets_in
from limits.console.problems import Problem

#: What a page is told of the form before it (``pages.see``). Its marks are checked where it is shown.
OF_EVERY_PAGE = ("said", "by")
#: Beside pages: what programs ask, and what watches.
NO_PAGES = ("/v1/", "/healthz", "/readyz", "/metrics")
#: Where others send a browser back to us: RFC 6749, 4.1.2, has us ignore what we do not know, and providers add to it.
ANSWERED_BY_OTHERS = ("/sign-in/callback",)


async def known(request: Request) -> None:
    """Problem 422 for a parameter that the route does not declare, and for one given twice where it takes one.

    A dependency of the application, and thus the first of each route: whoever the route does not let in is left to the
    route's own refusal, and is answered as if nothing stood there.
    """
    route = request.scope["route"]
    if not request.query_params or not isinstance(route, APIRoute) or not lets_in(route.dependant, request):
        return
    taken = declared(route.dependant)
    beside = OF_EVERY_PAGE if request.method == "GET" and not request.url.path.startswith(NO_PAGES) else ()
    for name in request.query_params:
        if name not in taken and name not in beside and route.path not in ANSWERED_BY_OTHERS:
            there = f"there are {', '.join(taken)}" if taken else "there are none"
            raise Problem(422, "unknown-parameter", f"{name[:80]!r} is no parameter of this address; {there}")
        if name in taken and not taken[name] and len(request.query_params.getlist(name)) > 1:
            raise Problem(422, "given-twice", f"{name!r} stands more than once in this address; give it once")


def declared(dependant: Dependant) -> dict[str, bool]:
    """The names of the parameters that a route and what it depends on read; whether each may come several times."""
    found: dict[str, bool] = {}
    for one in dependant.dependencies:
        found |= declared(one)
    return found | {field.alias: _is_list(field.field_info.annotation) for field in dependant.query_params}


def _is_list(annotation: object) -> bool:
    return list in (get_origin(annotation), *map(get_origin, get_args(annotation)))
