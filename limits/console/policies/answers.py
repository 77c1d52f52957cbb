"""What is told of policies, for the API and the pages alike: which there are, what they say, who approved them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Path, Response
from pydantic import AfterValidator, BaseModel, Field

from limits.console.context import Context
from limits.console.paging import Page, cursor_of, page_of, place_of
from limits.console.problems import Problem
from limits.console.records import ProposalFields, State
from limits.engine.asking import today
from limits.engine.in_force import beside, standing
from limits.errors import NotFound, PolicyError
from limits.policy import Policy, parse_policy, policy_at
from limits.policy_changes import policy_changes
from limits.store import approvals, policies
from limits.store.approvals import Approval
from limits.store.db import Connection

Role = Literal["champion", "challenger"]

#: A hash as people and machines write it.
HASH = r"^[0-9a-f]{64}$"
Hash = Annotated[str, Path(pattern=HASH, description="sha256 of the policy's text, in hexadecimal.")]
ProposalId = Annotated[int, Path(ge=1, le=2**63 - 1, description="Number of the proposal.")]
#: The dates that a policy may be asked about.
FIRST, LAST = dt.date(1990, 1, 1), dt.date(2100, 1, 1)
#: What a policy's text is as a file.
TOML = "application/toml"
#: What mistakes in a text that was sent are told under.
SENT = "policy.toml"


def _text(text: str) -> str:
    """A text that can be kept: no NUL, no half characters; line ends as files of ours have them."""
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("holds a character that cannot be kept")
    return text.replace("\r\n", "\n")


PolicyText = Annotated[str, Field(min_length=1, max_length=policies.LARGEST_FILE), AfterValidator(_text)]


class PolicyName(BaseModel):
    """Which policy it is."""

    pack: str
    effective_on: dt.date
    currency: str
    policy_hash: str = Field(description="sha256 of its text: the name by which the log knows it.")

    @classmethod
    def of(cls, policy: Policy) -> PolicyName:
        """Of a policy."""
        return cls.model_validate(policy.named)


class ApprovalAnswer(ProposalFields):
    """A proposal of a policy, and what became of it. The sessions are the logins of the database behind the names."""

    pack: str
    policy_hash: str
    role: Role = Field(description="champion: it decides. challenger: it is tried in the shadow.")

    @classmethod
    def of(cls, row: Approval) -> ApprovalAnswer:
        """From the row of the store."""
        return cls.model_validate(row.as_dict())


class Decided(ApprovalAnswer):
    """A proposal after a verdict."""

    changed: bool = Field(description="By this request; false where it stood so before.")


class PolicySummary(BaseModel):
    """A policy as a row of the list: one that comes with the product, or one that was ever proposed."""

    pack: str
    effective_on: dt.date
    policy_hash: str
    shipped: bool = Field(description="Whether it comes with the product.")
    champion: State | None = Field(description="How its newest proposal as champion stands; null: never proposed.")
    challenger: State | None = Field(description="The same as a challenger.")


class Mistake(BaseModel):
    """What is wrong in a policy's text."""

    line: int
    what: str = Field(description="The culprit and the mend.")


class PolicyAnswer(BaseModel):
    """A policy: its text, and whether it may decide."""

    pack: str
    effective_on: dt.date
    policy_hash: str
    shipped: bool
    text: str
    currency: str | None = Field(description="Null where this version of the product cannot read the text.")
    mistakes: list[Mistake] = Field(description="Why this version of the product cannot read the text; else empty.")
    proposals: list[ApprovalAnswer] = Field(description="The oldest first.")


class StandingAnswer(BaseModel):
    """Which policy reviews are decided by today."""

    schedule: str | None = Field(description="Null: reviews that are asked for by hand.")
    pack: str = Field(description="As the schedule names it: a pack, or a file of the server.")
    policy: PolicyName | None
    trouble: str = Field(description="Why nothing is decided by it; empty where all is well.")


class Change(BaseModel):
    """One difference between two policies."""

    key: str
    old: str | None
    new: str | None
    direction: Literal["looser", "neither", "stricter"]
    words: str


class Difference(BaseModel):
    """What one policy says that another does not."""

    old: PolicyName
    new: PolicyName
    changes: list[Change]

    @classmethod
    def of(cls, old: Policy, new: Policy) -> Difference:
        """Between two policies."""
        changes = [Change.model_validate(change.as_dict()) for change in policy_changes(old, new)]
        return cls(old=PolicyName.of(old), new=PolicyName.of(new), changes=changes)


class Named(BaseModel, extra="forbid"):
    """A policy by one of three: a pack that comes with the product, the hash of one that is kept, or a text."""

    pack: Annotated[str, Field(max_length=64)] | None = None
    policy_hash: Annotated[str, Field(pattern=HASH)] | None = None
    text: PolicyText | None = None


@dataclass(frozen=True)
class Found:
    """A policy that is kept or comes with the product. ``policy``: None where its text cannot be read any more."""

    pack: str
    effective_on: dt.date
    policy_hash: bytes
    text: str
    policy: Policy | None
    trouble: PolicyError | None
    proposals: Sequence[Approval]

    @property
    def shipped(self) -> bool:
        """Whether it comes with the product."""
        return any(one.policy_hash == self.policy_hash for one in policies.shipped())

    def file(self) -> Response:
        """The text byte for byte as its hash is of it, to be kept as a file whose name says which policy it is."""
        pack = re.sub(r"[^a-z0-9_-]", "_", self.pack)  # checked where it was read; a header takes nobody's word for it
        name = f"{pack}-{self.effective_on}-{self.policy_hash.hex()[:12]}.toml"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return Response(self.text.encode(), media_type=TOML, headers=headers)

    def answer(self) -> PolicyAnswer:
        """For the API."""
        return PolicyAnswer(
            pack=self.pack, effective_on=self.effective_on, policy_hash=self.policy_hash.hex(), shipped=self.shipped,
            text=self.text, currency=self.policy.currency if self.policy else None,
            mistakes=mistakes(self.trouble) if self.trouble else [],
            proposals=[ApprovalAnswer.of(one) for one in self.proposals],
        )  # fmt: skip


def mistakes(error: PolicyError) -> list[Mistake]:
    """Every mistake of a text, with its line."""
    return [Mistake(line=line, what=what) for line, what in error.mistakes or ((1, str(error)),)]


def read(text: str) -> Policy:
    """The policy of a text that was sent; Problem 422 with every mistake."""
    try:
        return policies.read_text(text, name=SENT)
    except PolicyError as error:
        told = [one.model_dump() for one in mistakes(error)]
        raise Problem(422, "policy-has-mistakes", str(error), mistakes=told) from None


def by_hash(conn: Connection, policy_hash: bytes) -> Found:
    """A policy kept in the database or coming with the product; NotFound where neither knows it."""
    proposals = [one for one in approvals.history(conn) if bytes(one.policy_hash) == policy_hash]
    there = next((one for one in policies.shipped() if one.policy_hash == policy_hash), None)
    if there is not None:
        return Found(there.pack, there.effective_on, policy_hash, there.body, there, None, proposals)
    text = policies.load_policy(conn, policy_hash)
    try:
        policy = parse_policy(text, file=f"policy {policy_hash.hex()[:12]}")
    except PolicyError as error:
        if not proposals:
            raise
        said = proposals[-1]
        return Found(said.pack, said.effective_on, policy_hash, text, None, error, proposals)
    return Found(policy.pack, policy.effective_on, policy_hash, text, policy, None, proposals)


def by_name(conn: Connection, name: str) -> Found:
    """By pack, of a shipped one what is in force today, else the newest that is kept; or by the digits of a hash."""
    if re.fullmatch(r"[0-9a-f]{64}", name):
        return by_hash(conn, bytes.fromhex(name))  # one that comes with the product may not be in the database yet
    try:
        return by_hash(conn, policy_at(policies.read_shipped(name), today()).policy_hash)
    except NotFound:
        return by_hash(conn, policies.named(conn, name)[-1])


def resolve(conn: Connection, one: Named) -> Policy:
    """The policy that a request names. Never by a path: only what is shipped, kept, or sent."""
    given = [name for name in ("pack", "policy_hash", "text") if getattr(one, name) is not None]
    if len(given) != 1:
        raise Problem(422, "not-one-policy", "name a policy by one of pack, policy_hash and text")
    if one.text is not None:
        return read(one.text)
    if one.pack is not None:
        return policy_at(policies.read_shipped(one.pack), today())
    found = by_hash(conn, bytes.fromhex(one.policy_hash or ""))
    if found.policy is None:
        raise found.trouble or NotFound("no policy")
    return found.policy


def listing(conn: Connection, *, limit: int, cursor: str | None) -> Page[PolicySummary]:
    """Every policy that comes with the product or was ever proposed, by pack and date."""
    rows: dict[str, PolicySummary] = {}
    for one in policies.shipped():
        key = one.policy_hash.hex()
        rows[key] = PolicySummary(
            pack=one.pack, effective_on=one.effective_on, policy_hash=key, shipped=True, champion=None, challenger=None
        )
    for said in approvals.history(conn):
        key = said.policy_hash.hex()
        known = rows.setdefault(
            key,
            PolicySummary(
                pack=said.pack, effective_on=said.effective_on, policy_hash=key, shipped=False, champion=None,
                challenger=None,
            ),
        )  # fmt: skip
        setattr(known, said.role, said.state)  # oldest first: the newest proposal counts
    after = place_of(cursor, str, str, str)
    ordered = sorted(rows.values(), key=_place)
    wanted = [row for row in ordered if after is None or _place(row) > after]
    return Page[PolicySummary](**page_of(wanted, limit, lambda row: row, lambda row: cursor_of(*_place(row))))


def _place(row: PolicySummary) -> tuple[str, str, str]:
    return row.pack, row.effective_on.isoformat(), row.policy_hash


def history(conn: Connection, *, pack: str | None, limit: int, cursor: str | None) -> Page[ApprovalAnswer]:
    """Every proposal, the newest first."""
    before = place_of(cursor, int)
    rows = [one for one in reversed(approvals.history(conn, pack)) if before is None or one.approval_id < before[0]]
    return Page[ApprovalAnswer](**page_of(rows, limit, ApprovalAnswer.of, lambda row: cursor_of(row.approval_id)))


def in_force(context: Context) -> list[StandingAnswer]:
    """What reviews are decided by today, of each schedule."""
    with context.connect("operations") as conn:
        found = standing(conn, context.settings, today())
    return [
        StandingAnswer(
            schedule=one.schedule, pack=one.pack, policy=PolicyName.of(one.policy) if one.policy else None,
            trouble=one.trouble,
        )
        for one in found
    ]  # fmt: skip


def against_in_force(context: Context, conn: Connection, policy: Policy) -> Difference | None:
    """What a policy says that the one in force does not; None where it is itself in force."""
    there = beside(conn, context.settings, policy, today())
    return None if there is None else Difference.of(there, policy)
