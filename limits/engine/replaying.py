"""Replay: what the log holds, decided again from the stored snapshot and policy, and compared byte for byte.

A decision depends on its snapshot, on its policy, on the risk model that its batch's record names and on the code, and
on one thing more: whether its review carried out a change that had waited, which the row of the review says. All else
that is given to a decision stands in the snapshot: the amount asked for, what a budget leaves, what a change lifts that
is carried out. A snapshot is decided as the whole that it was decided as, and each entry is compared with what becomes
of its user.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from limits.decision import review
from limits.dispositions import Disposition, dispose, ending
from limits.engine.challenging import in_words
from limits.engine.deciding import code_version
from limits.engine.differing import Difference, Wrong, by_format, only, rows_at
from limits.engine.single import taking_effect
from limits.errors import LimitsError, NotFound, PolicyError, RiskModelError, SnapshotError
from limits.policy import Policy, parse_policy
from limits.portfolio import Int, Portfolio
from limits.risk import Scorecard
from limits.store import archives, logged, policies, reviews, risk_models, rows, snapshots
from limits.store.db import Connection
from limits.store.logged import NULL, Entries, Group, ReviewFacts
from limits.store.rows import Rows

Progress = Callable[[int, int], None]
#: What the record of a batch says of the risk model where nobody was scored.
NO_RISK = "none"
#: A group of entries, and which of them are wanted by their place among them; None: all.
Chosen = Iterator[tuple[Group, Int | None]]


@dataclass(frozen=True)
class DifferingEntry:
    """An entry that comes out otherwise, and in what."""

    entry_id: int
    review_id: int
    user_id: int
    as_of: dt.date
    code_version: str
    differences: list[Difference]


@dataclass(frozen=True)
class Failure:
    """Entries that cannot be decided again though they should be, and why, in a sentence."""

    review_id: int
    as_of: dt.date
    entries: int
    error: str


@dataclass(frozen=True)
class Sample:
    """So many entries at random; the same seed takes the same ones of the same log."""

    entries: int
    seed: int


@dataclass
class Replay:
    """What a replay came to. Each entry is equal, differing, failed or not kept: its snapshot was pruned.

    fields: how many entries differ in each field, in a ceiling by the number of its reason.
    versions: of each version of the code that wrote what was decided again, how many entries, and how many differ.
    archived: entries of archived months, which were not looked at; counted where all are wanted.
    shown, failures: the first of each, as many as were asked for; ``groups_failed``: how many failures there were.
    """

    equal: int = 0
    differing: int = 0
    failed: int = 0
    not_kept: int = 0
    snapshots: int = 0
    snapshots_not_kept: int = 0
    archived: int = 0
    groups_failed: int = 0
    fields: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)
    shown: list[DifferingEntry] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def entries(self) -> int:
        """All that were looked at."""
        return self.equal + self.differing + self.failed + self.not_kept

    @property
    def ok(self) -> bool:
        """Whether nothing differs or failed, and not everything is gone."""
        return not self.differing and not self.failed and (self.equal > 0 or not self.not_kept)


def replay_log(
    conn: Connection,
    *,
    entry_id: int | None = None,
    review_id: int | None = None,
    sample: Sample | None = None,
    folder: Path | None = None,
    most: int = 50,
    progress: Progress = lambda done, total: None,
) -> Replay:
    """Decides entries again and compares: the one of a number, those of a review, or with neither all.

    ``folder``: of the snapshots that are not in the database. ``most``: differing entries, and failures, that are
    listed. The memory it takes does not grow with the log. NotFound where no entry is meant.
    """
    total, chosen = _chosen(conn, entry_id, review_id, sample)
    replayer = _Replayer(conn, folder, most)
    if entry_id is None and review_id is None:
        replayer.found.archived = sum(month.entries for month in archives.months(conn))
    for group, picked in chosen:
        replayer.replay(group, picked)
        done = replayer.found.entries
        progress(done, max(total, done))
    return replayer.found


# Which entries ------------------------------------------------------------------------------


def _chosen(conn: Connection, entry_id: int | None, review_id: int | None, sample: Sample | None) -> tuple[int, Chosen]:
    """How many entries are wanted, and the groups they are in."""
    if entry_id is not None:
        groups = logged.groups_of_entry(conn, entry_id)
        if not groups:
            none = f"there is no log entry {entry_id}; `limits log list` shows those there are"
            raise archives.missing_entry(conn, entry_id, none)
        return len(groups), ((group, None) for group in groups)
    found = logged.groups(conn, review_id)
    first = next(found, None)
    if first is None:
        if review_id is not None:
            if (there := reviews.find(conn, review_id)) is not None:
                archives.require_here(conn, there.business_date)
            raise NotFound(f"the log has no entry of review {review_id}; `limits log list` shows what it has")
        return 0, iter(())
    groups_in_all = itertools.chain([first], found)
    if sample is None:
        return first.total, ((group, None) for group in groups_in_all)
    return min(sample.entries, first.total), _drawn(groups_in_all, sample, first.total)


def _drawn(groups: Iterator[Group], sample: Sample, total: int) -> Chosen:
    """Groups with entries that were drawn; every entry has the same chance."""
    drawn = random.Random(sample.seed).sample(range(total), min(sample.entries, total))
    places = np.sort(np.array(drawn, dtype=np.int64))
    start = 0
    for group in groups:
        first, last = np.searchsorted(places, (start, start + group.entries))
        if last > first:
            yield group, places[first:last] - start
        start += group.entries


# Deciding again -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """What becomes of the users of a snapshot: rows, and what the log says beside them (n,), see logged.BESIDE."""

    rows: Rows
    beside: dict[str, Int]
    as_of: dt.date
    currency: str


class _NotKept(LimitsError):
    """The snapshot was pruned."""


class _CannotDecide(LimitsError):
    """The engine does not get through what it got through once."""


def decided_again(portfolio: Portfolio, policy: Policy, facts: ReviewFacts, model: Scorecard | None = None) -> Made:
    """What becomes of a portfolio in a review: the decision, how it takes effect, and what the user is told."""
    carries_out = facts.change_id is not None
    decisions = review(portfolio, policy, model)
    effect = dispose(portfolio, decisions, taking_effect(policy) if carries_out else policy)
    if facts.change_kind == "announced":
        effect = ending(effect, portfolio, decisions, raises=bool(facts.change_raises))
    before, after = decisions.limit_before, effect.limit_after
    waits = effect.disposition != Disposition.AT_ONCE
    beside = {
        "version_after": portfolio.version + (after != before),
        "action": np.sign(after - before),
        "change_kind": effect.disposition,
        "change_proposed": np.where(waits, effect.proposed, NULL),
        "change_limit": np.where(waits, before, NULL),
    }
    return Made(rows.encode(portfolio, decisions, effect), beside, portfolio.as_of, portfolio.currency)


class _Replayer:
    """Decides groups of entries again, one after the other. What the last one was decided from is kept for the next."""

    def __init__(self, conn: Connection, folder: Path | None, most: int) -> None:
        self.found = Replay()
        self._conn, self._folder, self._most = conn, folder, most
        self._policy: Policy | None = None
        self._last: tuple[tuple[int, bytes, bytes], Made] | None = None

    def replay(self, group: Group, picked: Int | None) -> None:
        """Replays the entries of a group, all or those at some places (k,) among them, sorted."""
        found = self.found
        entries = group.entries if picked is None else len(picked)
        try:
            facts = self._facts(group)
            made = self._made(group, facts)
        except _NotKept:
            found.not_kept += entries
            found.snapshots_not_kept += 1
            return
        except (NotFound, SnapshotError, PolicyError, RiskModelError, _CannotDecide) as error:
            found.failed += entries
            found.groups_failed += 1
            if len(found.failures) < self._most:
                found.failures.append(Failure(group.review_id, group.as_of, entries, str(error)))
            return
        everywhere = _of_the_group(group, facts, made)
        start = 0
        for block in logged.entries(self._conn, group):
            wanted = np.arange(len(block))
            if picked is not None:
                first, last = np.searchsorted(picked, (start, start + len(block)))
                wanted = picked[first:last] - start
            start += len(block)
            for some in by_format(only(block, wanted)):
                self._compare(group, some, made, everywhere)

    def _facts(self, group: Group) -> ReviewFacts:
        facts = logged.review_facts(self._conn, group.review_id)
        if facts is None:
            raise NotFound(f"there is no review {group.review_id}: what it carried out is not known")
        if facts.change_id is not None and facts.change_kind is None:
            raise NotFound(f"the change {facts.change_id}, which review {group.review_id} carried out, is gone")
        return facts

    def _made(self, group: Group, facts: ReviewFacts) -> Made:
        key = (group.review_id, group.input_digest, group.policy_hash)
        if self._last is None or self._last[0] != key:
            self._last = None  # its memory is for the next one
            portfolio = self._portfolio(group.input_digest)
            policy = self._policy_of(group.policy_hash)
            model = risk_models.load(self._conn, _model_said(facts))
            try:
                self._last = key, decided_again(portfolio, policy, facts, model)
            except MemoryError:
                raise
            except Exception as error:  # what was decided once must be decided again, by whatever code
                raise _CannotDecide(
                    f"the snapshot {group.input_digest.hex()} cannot be decided again ({in_words(error)})"
                ) from error
            self.found.snapshots += 1
        return self._last[1]

    def _portfolio(self, digest: bytes) -> Portfolio:
        try:
            return snapshots.load(self._conn, digest, folder=self._folder)
        except NotFound:
            if logged.was_pruned(self._conn, digest):
                raise _NotKept(digest.hex()) from None
            raise SnapshotError(f"the snapshot {digest.hex()} is gone, and nothing says that it was pruned") from None

    def _policy_of(self, policy_hash: bytes) -> Policy:
        if self._policy is None or self._policy.policy_hash != policy_hash:
            text = policies.load_policy(self._conn, policy_hash)
            self._policy = parse_policy(text, file=f"the policy {policy_hash.hex()}")
        return self._policy

    # Comparing ------------------------------------------------------------------------------

    def _compare(self, group: Group, block: Entries, made: Made, everywhere: Sequence[Difference]) -> None:
        users = block.made.user_id
        place = np.searchsorted(made.rows.user_id, users).clip(max=len(made.rows) - 1) if len(made.rows) else users * 0
        there = made.rows.user_id[place] == users if len(made.rows) else np.zeros(len(users), dtype=np.bool_)
        matched = only(block, np.flatnonzero(there))
        again = rows_at(made.rows, place[there])
        beside = {name: values[place[there]] for name, values in made.beside.items()}
        bad = Wrong.of(matched, again, beside, same_code=group.code_version == code_version())
        wrong = ~there
        wrong[there] = bad.anywhere
        if everywhere:
            wrong[:] = True
        found, differing = self.found, int(wrong.sum())
        found.differing += differing
        found.equal += len(block) - differing
        written, otherwise = found.versions.get(group.code_version, (0, 0))
        found.versions[group.code_version] = (written + len(block), otherwise + differing)
        if not differing:
            return
        found.fields.update(bad.counted())
        found.fields.update({(one.field, None): len(block) for one in everywhere})
        if not there.all():
            found.fields["user", None] += int((~there).sum())
        row_of = np.cumsum(there) - 1
        for k in np.flatnonzero(wrong)[: self._most - len(found.shown)].tolist():
            differences = [*everywhere, *(bad.at(int(row_of[k])) if there[k] else [_no_user(int(users[k]))])]
            found.shown.append(
                DifferingEntry(
                    int(block.entry_id[k]), group.review_id, int(users[k]), group.as_of, group.code_version, differences
                )
            )


def _no_user(user_id: int) -> Difference:
    return Difference("user", user_id, None)


def _of_the_group(group: Group, facts: ReviewFacts, made: Made) -> list[Difference]:
    """What all entries of a group say alike, where snapshot or review say otherwise."""
    pairs = (
        ("as_of", group.as_of.isoformat(), made.as_of.isoformat()),
        ("currency", group.currency, made.currency),
        ("policy_hash", group.policy_hash.hex(), facts.policy_hash.hex()),
        *(("risk", said or "nothing", _risk_word(facts.risk_model)) for said in facts.risks_said),
    )
    return [Difference(name, said, again) for name, said, again in pairs if said != again]


def _risk_word(model_hash: bytes | None) -> str:
    """As a batch's record has it."""
    return NO_RISK if model_hash is None else bytes(model_hash).hex()


def _model_said(facts: ReviewFacts) -> bytes | None:
    """What scored the users: by the records, which are signed; where there is none, by the row of the review."""
    for said in facts.risks_said:
        if said and re.fullmatch("[0-9a-f]{64}", said):
            return bytes.fromhex(said)
        if said == NO_RISK:
            return None
    return facts.risk_model
