"""What waits for a person, with the one next step of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, Field

from limits.console.people import Principal, Role
from limits.engine.asking import today
from limits.engine.referring import WAYS
from limits.reasons import Reason
from limits.store import referrals, waiting
from limits.store.db import Connection
from limits.store.waiting import Waiting

#: Of each kind so many are shown; the list behind has all.
ROWS = 10
#: An offer is near its end so many days before.
SOON = dt.timedelta(days=7)


class Item(BaseModel):
    """One thing that waits."""

    number: int = Field(
        description="Number of the override, proposal, review, notice or change; of a referral, the user."
    )
    user_id: int | None
    words: str = Field(description="What it is.")
    by: str = Field(description="Who asked for it; empty where nobody did.")
    since: dt.datetime
    until: dt.date | None = Field(description="The day that it is about.")
    step: str = Field(description="The one next step.")
    href: str = Field(description="The page on which that is done.")
    mine: bool = Field(description="You asked for it, so somebody else has to decide.")


class Group(BaseModel):
    """Everything of one kind that waits."""

    kind: str
    title: str
    who: str = Field(description="Whose work it is.")
    total: int
    href: str = Field(description="The page with all of them.")
    items: list[Item]

    @property
    def proposed(self) -> bool:
        """Whether somebody asked for what is in it."""
        return any(item.by for item in self.items)


class Work(BaseModel):
    """What waits for whoever asks, by kind."""

    as_of: dt.date
    total: int
    groups: list[Group]


@dataclass(frozen=True)
class Kind:
    """How one kind of waiting is told. ``roles``: whose work it is; others who may see it see it too."""

    title: str
    roles: tuple[Role, ...]
    seen_by: tuple[Role, ...]
    href: str
    words: Callable[[Waiting], str]
    step: Callable[[Waiting], str]
    page: Callable[[Waiting], str]


SECOND: tuple[Role, ...] = ("approver",)
BOTH: tuple[Role, ...] = ("operations", "approver")
FIRST: tuple[Role, ...] = ("operations",)

KINDS: dict[str, Kind] = {
    "override": Kind(
        "Overrides to approve", SECOND, BOTH, "/overrides?state=proposed",
        lambda row: f"{row.name} {row.amount}".strip() + f" for user {row.user_id} until {row.until}: {row.reason}",
        lambda row: "approve or refuse it", lambda row: f"/overrides/{row.number}",
    ),
    "review": Kind(
        "Held reviews", SECOND, SECOND, "/reviews",
        lambda row: f"review {row.number} of {row.name} as of {row.until}" + (f": {row.reason}" if row.reason else ""),
        lambda row: "release or cancel it", lambda row: f"/reviews/{row.number}",
    ),
    "policy": Kind(
        "Policies to approve", SECOND, SECOND, "/policies",
        lambda row: f"{row.name} from {row.until} on" + (f": {row.reason}" if row.reason else ""),
        lambda row: "read the differences, approve or reject it", lambda row: "/policies",
    ),
    "model": Kind(
        "Risk models to approve", SECOND, SECOND, "/models",
        lambda row: f"{row.name} from {row.until} on" + (f": {row.reason}" if row.reason else ""),
        lambda row: "read its card, approve or reject it", lambda row: "/models",
    ),
    "notice": Kind(
        "Overdue notices", FIRST, BOTH, "/notices?show=overdue",
        lambda row: f"user {row.user_id} is not told yet: {row.name}, due on {row.until}",
        lambda row: "see that messages go out: limits outbox deliver", lambda row: f"/notices/{row.number}",
    ),
    "announced": Kind(
        "Announced changes whose day has come", FIRST, BOTH, "/changes?show=due",
        lambda row: f"change {row.number} of user {row.user_id}, to take effect on {row.until}",
        lambda row: "see that the scheduler runs, or why it waits: limits change run",
        lambda row: f"/changes/{row.number}",
    ),
    "offer": Kind(
        "Offers near their end", FIRST, BOTH, "/changes",
        lambda row: f"offer {row.number} to user {row.user_id}, to accept until {row.until}",
        lambda row: "ask the user: accept or decline", lambda row: f"/changes/{row.number}",
    ),
}  # fmt: skip


def work_of(conn: Connection, who: Principal) -> Work:
    """What waits for that person, what is theirs to do first."""
    day = today()
    found = waiting.waiting(conn, day=day, soon=day + SOON, rows=ROWS)
    groups = [_group(name, kind, [row for row in found if row.what == name], who) for name, kind in KINDS.items()
              if who.may(*kind.seen_by)]  # fmt: skip
    groups.insert(1, _referrals(conn, day))
    groups = [group for group in groups if group.total]
    groups.sort(key=lambda group: not who.may(*_roles(group.kind)))
    return Work(as_of=day, total=sum(group.total for group in groups), groups=groups)


def _roles(kind: str) -> tuple[Role, ...]:
    return KINDS[kind].roles if kind in KINDS else FIRST


def _group(name: str, kind: Kind, rows: list[Waiting], who: Principal) -> Group:
    items = []
    for row in rows:
        mine = bool(row.by) and row.by.strip().casefold() == who.actor.strip().casefold() and kind.roles == SECOND
        waits = name != "review" and (mine or not who.may(*kind.roles))
        items.append(
            Item(
                number=row.number, user_id=row.user_id, words=kind.words(row), by=row.by, since=row.since,
                until=row.until, href=kind.page(row), mine=mine,
                step="a second person decides" if waits and kind.roles == SECOND else kind.step(row),
            )
        )  # fmt: skip
    total = rows[0].total if rows else 0
    return Group(kind=name, title=kind.title, who=" or ".join(kind.roles), total=total, href=kind.href, items=items)


def _referrals(conn: Connection, day: dt.date) -> Group:
    rows = referrals.list_referrals(conn, day)
    items = [
        Item(
            number=row.user_id, user_id=row.user_id, by="", since=row.since, until=None, mine=False,
            words=f"user {row.user_id}: {Reason(row.reason).name.lower().replace('_', ' ')}",
            step="look at the user; clear, or propose an override" if row.reason == Reason.LINKED_FRAUD
            else WAYS[Reason(row.reason)],
            href=f"/referrals?user={row.user_id}",
        )
        for row in rows[:ROWS]
    ]  # fmt: skip
    return Group(
        kind="referral", title="Users whom a person has to look at", who="operations", total=len(rows),
        href="/referrals", items=items,
    )  # fmt: skip
