"""Which entries somebody asks for: the filters of `limits log list`, as they stand in an address."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

from limits.errors import InputError
from limits.money import Money, parse_money
from limits.store import log, log_wanted
from limits.store.db import Connection
from limits.store.log import LogFilter

LARGEST = 2**63 - 1

#: Reasons that are asked for at once, at most.
MOST_REASONS = 64
#: A field of the form, read when it is used: what is wrong with it is said beside the form.
Text = Annotated[str | None, Query()]


@dataclass(frozen=True)
class Asked:
    """What stands in the address, as it was written. Empty fields ask for nothing."""

    texts: dict[str, str]
    reasons: tuple[str, ...] = ()

    def wanted(self, conn: Connection) -> LogFilter:
        """The filter that is meant. InputError where a text is not usable, NotFound where there is no such policy."""
        texts = self.texts
        found = log_wanted.wanted(
            user=_number("user", texts.get("user")),
            review=_number("review", texts.get("review")),
            since=read_date("from", texts.get("from")),
            until=read_date("to", texts.get("to")),
            outcome=texts.get("outcome"),
            reasons=self.reasons,
            actor=texts.get("actor"),
            currency=texts.get("currency"),
            min_change=self._amount("min_change"),
            max_change=self._amount("max_change"),
            min_share_bps=log_wanted.read_percent(texts["min_share"]) if "min_share" in texts else None,
            named=lambda name: name.replace("-", "_"),
        )
        return log.by_policy(conn, found, texts.get("policy"))

    @property
    def address(self) -> str:
        """The filter as it stands in an address, without what is empty."""
        return urlencode([*self.texts.items(), *(("reason", code) for code in self.reasons)])

    def but(self, **texts: str) -> str:
        """The address with some texts in place of what stands there."""
        return Asked(self.texts | texts, self.reasons).address

    def _amount(self, name: str) -> Money | None:
        """An amount, whose currency may stand in the field of the currency."""
        text = self.texts.get(name)
        if text is None:
            return None
        if re.fullmatch(r"[0-9.]+", text):
            if "currency" not in self.texts:
                raise InputError(f'{name} {text!r} has no currency; write it like "{text} CZK"')
            text = f"{text} {self.texts['currency']}"
        try:
            return parse_money(text)
        except ValueError as error:
            raise InputError(f"{name}: {error}") from None


def of_request(
    user: Text = None,
    review: Text = None,
    since: Annotated[str | None, Query(alias="from")] = None,
    until: Annotated[str | None, Query(alias="to")] = None,
    outcome: Text = None,
    reason: Annotated[list[str] | None, Query(max_length=MOST_REASONS)] = None,
    actor: Text = None,
    policy: Text = None,
    currency: Text = None,
    min_change: Text = None,
    max_change: Text = None,
    min_share: Text = None,
) -> Asked:
    """What a page's address asks for, as it was written; a FastAPI dependency. InputError for what no field holds."""
    texts = {
        "user": user, "review": review, "from": since, "to": until, "outcome": outcome, "actor": actor,
        "policy": policy, "currency": currency, "min_change": min_change, "max_change": max_change,
        "min_share": min_share,
    }  # fmt: skip
    return _asked(texts, reason or [])


def of_api(
    user: Annotated[int | None, Query(ge=1, le=LARGEST, description="Only this user.")] = None,
    review: Annotated[int | None, Query(ge=1, le=LARGEST, description="Only this review.")] = None,
    since: Annotated[dt.date | None, Query(alias="from", description="As of this date or later.")] = None,
    until: Annotated[dt.date | None, Query(alias="to", description="As of this date or earlier.")] = None,
    outcome: Annotated[
        str | None, Query(max_length=20, description="raised, held, lowered, offered or announced.")
    ] = None,
    reason: Annotated[
        list[str] | None, Query(max_length=MOST_REASONS, description="A reason code; several: all of them.")
    ] = None,
    actor: Annotated[str | None, Query(max_length=500, description="Who decided.")] = None,
    policy: Annotated[str | None, Query(max_length=200, description="A pack, or the first digits of a hash.")] = None,
    currency: Annotated[str | None, Query(max_length=3, description="Three letters.")] = None,
    min_change: Annotated[
        str | None, Query(max_length=40, description='Changes of this size or more, such as "1000 CZK".')
    ] = None,
    max_change: Annotated[str | None, Query(max_length=40, description="Changes of this size or less.")] = None,
    min_share: Annotated[
        str | None, Query(max_length=20, description="Changes of so many percent of the limit before, or more.")
    ] = None,
) -> Asked:
    """What a request of the API asks for; a FastAPI dependency. InputError for what no field holds."""
    texts = {
        "user": user, "review": review, "from": since, "to": until, "outcome": outcome, "actor": actor,
        "policy": policy, "currency": currency, "min_change": min_change, "max_change": max_change,
        "min_share": min_share,
    }  # fmt: skip
    return _asked({name: None if value is None else str(value) for name, value in texts.items()}, reason or [])


def _asked(texts: dict[str, str | None], reasons: Sequence[str]) -> Asked:
    found = {name: _text(name, value) for name, value in texts.items() if value is not None}
    codes = [_text("reason", code) for code in reasons]
    return Asked({name: value for name, value in found.items() if value}, tuple(code for code in codes if code))


def _text(name: str, value: str) -> str:
    value = value.strip()
    if len(value) > 500:
        raise InputError(f"{name} has {len(value)} characters; at most 500 are possible")
    if any(not c.isprintable() for c in value):
        raise InputError(f"{name} holds a character that cannot be printed")
    return value


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,19}", text) and 1 <= int(text) <= LARGEST:
        return int(text)
    raise InputError(f"{name}: {text[:80]!r} is not a number from 1 to {LARGEST}")


def read_date(name: str, text: str | None) -> dt.date | None:
    """A date written YYYY-MM-DD; None where there is none."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            pass
    raise InputError(f"{name}: {text[:80]!r} is not a date; write it YYYY-MM-DD, such as 2026-03-31")
