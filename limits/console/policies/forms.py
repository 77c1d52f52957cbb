"""Forms of policies and models as the API would read them."""

from __future__ import annotations

import secrets
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from limits.console.problems import Problem

Model = TypeVar("Model", bound=BaseModel)


def form_of(kind: type[Model], fields: dict[str, Any]) -> Model:
    """The fields of a form; Problem 422 says what is wrong without repeating it."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the form"
        raise Problem(422, "not-usable", f"{where}: {first['msg']}") from None


def new_key() -> str:
    """The key of a form that writes."""
    return secrets.token_urlsafe(18)
