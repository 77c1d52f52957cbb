"""Delivering what users are to be told: every message at least once, each user's in order, one deliverer at a time.

The text of a notice is kept in the database before it is sent, and the message is marked when
it was taken. A crash in between sends the same text again under the same id; whoever takes
messages drops an id that came before.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from limits.engine.asking import today
from limits.engine.scoring import Scores
from limits.engine.sending import Message, Sender
from limits.errors import DeliveryFailed, InputError, LimitsError, NotFound
from limits.notices import Facts, render
from limits.policy import Policy, parse_policy
from limits.reasons import SCORED
from limits.store import log as adjustment_log
from limits.store import notices, policies
from limits.store.db import Connection, Database, Role
from limits.store.notices import Notice, Waiting
from limits.store.queue import database_tag

log = structlog.get_logger()

#: Users whose messages are read at a time.
PAGE_USERS = 200


@dataclass
class Delivery:
    """What one run came to. ``busy``: another process delivers, and nothing was done here."""

    delivered: int = 0
    busy: bool = False
    #: Users with a message that was not taken, and why: it and what comes after it wait for the next run.
    failed: dict[int, str] = field(default_factory=dict)


def deliver(
    database: Database,
    sender: Sender,
    *,
    role: Role = "operations",
    stopping: Callable[[], bool] = lambda: False,
    told_on: Callable[[], dt.date] = today,
    folder: Path | None = None,
) -> Delivery:
    """Hands over what waits. A message that is not taken stops its user's later ones and nobody else's.

    What concerns all messages, such as a file that cannot be written, is raised. ``folder``: of the
    snapshots that are not in the database.
    """
    with database.connect(role, "limits outbox") as conn:
        if not notices.lead(conn):
            return Delivery(busy=True)
        run = _Run(conn, sender, told_on, database_tag(conn), folder)
        after = 0
        while not stopping() and (page := notices.waiting(conn, after=after, users=PAGE_USERS)):
            after = page[-1].user_id
            run.work_off(page, stopping)
        return run.done


def text_of(conn: Connection, notice: Notice, told_on: dt.date, *, folder: Path | None = None) -> dict[str, str]:
    """A notice by language: as it was delivered, else as it is on its way, else as it would read on a day.

    ``folder``: of the snapshots that are not in the database. ValueError or a LimitsError where it cannot be written.
    """
    if notice.body is not None or notice.draft is not None:
        return notice.body or notice.draft or {}
    facts = with_losses(conn, notice.facts, Scores(conn, folder))
    return dict(render(facts, _policy(conn, notice.policy_hash), told_on))


def text_shown(conn: Connection, notice: Notice, told_on: dt.date, *, folder: Path | None = None) -> dict[str, str]:
    """The same for whoever looks: NotFound where it is gone with its user, InputError where it cannot be written."""
    if notice.body == {}:
        raise NotFound(f"the text of notice {notice.notice_id} is gone: user {notice.user_id} was erased")
    try:
        return text_of(conn, notice, told_on, folder=folder)
    except ValueError as error:
        raise InputError(f"notice {notice.notice_id} cannot be written: {error}") from error


def with_losses(conn: Connection, facts: Facts, scores: Scores) -> Facts:
    """The facts with the characteristics that cost the user most points, where a score stood in the way.

    Of a decision whose snapshot is no longer kept they are not known any more. A LimitsError where they
    should be and are not: such a notice waits for somebody to mend that.
    """
    if not {reason for reason, _ in facts.reasons} & SCORED:
        return facts
    try:
        found = scores.of(adjustment_log.entry(conn, facts.entry_id))
    except NotFound:
        log.warning("points lost are not known any more", entry_id=facts.entry_id)
        return facts
    return facts if found is None else dataclasses.replace(facts, lost=found.lost)


def _policy(conn: Connection, policy_hash: bytes) -> Policy:
    return parse_policy(policies.load_policy(conn, policy_hash), file=f"policy {policy_hash.hex()[:12]}")


class _Run:
    """One run of a deliverer."""

    def __init__(
        self, conn: Connection, sender: Sender, told_on: Callable[[], dt.date], tag: str, folder: Path | None
    ) -> None:
        self._conn = conn
        self._sender = sender
        self._told_on = told_on
        self._tag = tag
        self._policies: dict[bytes, Policy] = {}
        self._scores = Scores(conn, folder)
        self.done = Delivery()

    def work_off(self, page: Sequence[Waiting], stopping: Callable[[], bool]) -> None:
        """Sends a page, as many messages at a time as the sender takes."""
        for start in range(0, len(page), self._sender.batch):
            if stopping():
                return
            chunk = [message for message in page[start : start + self._sender.batch] if not self._waits(message)]
            if chunk:
                self._send(chunk)

    def _waits(self, message: Waiting) -> bool:
        """Whether an earlier message of the user was not taken."""
        return message.user_id in self.done.failed

    def _send(self, chunk: Sequence[Waiting]) -> None:
        ready = list(self._written(chunk))
        if not ready:
            return
        sent = [waiting for waiting, _ in ready]
        try:
            self._sender.send([message for _, message in ready])
        except DeliveryFailed as error:
            for waiting in sent:
                self._fail(waiting, str(error))
                if waiting.notice_id is not None:
                    notices.drop_draft(self._conn, waiting.notice_id)
            return
        notices.mark_delivered(self._conn, sent, self._sender.name)
        self.done.delivered += len(sent)

    def _written(self, chunk: Sequence[Waiting]) -> Iterator[tuple[Waiting, Message]]:
        """Each message as it is sent, the texts of its notices kept first."""
        known = notices.get_many(self._conn, [m.notice_id for m in chunk if m.notice_id is not None])
        texts = {}
        for waiting in chunk:
            if waiting.notice_id is None or self._waits(waiting):
                continue
            try:
                texts[waiting.notice_id] = self._text(known[waiting.notice_id])
            except (ValueError, LimitsError) as error:
                self._fail(waiting, f"notice {waiting.notice_id} cannot be written: {error}")
        kept = notices.keep_drafts(self._conn, texts)
        stopped = set()  # users whose notice cannot be written: only what comes before it goes out
        for waiting in chunk:
            notice_id = waiting.notice_id
            if waiting.user_id in stopped or (notice_id is not None and notice_id not in kept):
                stopped.add(waiting.user_id)
                continue
            notice = None if notice_id is None else known[notice_id]
            yield waiting, self._message(waiting, notice, None if notice_id is None else kept[notice_id])

    def _text(self, notice: Notice) -> dict[str, str]:
        if notice.draft is not None:
            return notice.draft
        if notice.policy_hash not in self._policies:
            self._policies[notice.policy_hash] = _policy(self._conn, notice.policy_hash)
        facts = with_losses(self._conn, notice.facts, self._scores)
        return dict(render(facts, self._policies[notice.policy_hash], self._told_on()))

    def _message(self, waiting: Waiting, notice: Notice | None, text: dict[str, str] | None) -> Message:
        """The message as it leaves: plain values, amounts in minor units."""
        kind = "limit" if notice is None else "notice"
        number = waiting.outbox_id if notice is None else notice.notice_id
        message: dict[str, Any] = {
            "id": f"{self._tag}-{kind}-{number}",
            "message": kind,
            "kind": waiting.kind,
            "user_id": waiting.user_id,
            "as_of": waiting.as_of.isoformat(),
            "entry_id": waiting.entry_id,
            "review_id": waiting.review_id,
            "currency": waiting.currency,
            "exponent": waiting.exponent,
            "limit_before_minor": waiting.limit_before_minor,
            "limit_after_minor": waiting.limit_after_minor,
        }
        if notice is not None:
            message |= {
                "due_on": notice.due_on.isoformat(),
                "proposed_minor": notice.proposed_minor,
                "effective_on": notice.effective_on and notice.effective_on.isoformat(),
                "text": text,
            }
        return message

    def _fail(self, waiting: Waiting, why: str) -> None:
        if waiting.user_id not in self.done.failed:
            self.done.failed[waiting.user_id] = why
            log.warning("message not taken", user_id=waiting.user_id, entry_id=waiting.entry_id, error=why)
