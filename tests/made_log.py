"""A log that was never decided: batches with made-up entries, written as apply_decisions would, sealed and signed.

For what reads the log: it needs no users, no policy and no review, and thousands of entries are made in a second.
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limits import checkpoint, merkle
from limits.checkpoint import Checkpoint, PrivateKey
from limits.entry import (
    FORMAT,
    NONE,
    RISK,
    WITHOUT_RISK,
    ZEROS,
    BatchRecord,
    Entries,
    OriginRecord,
    encode,
    record_digest,
)
from limits.portfolio import UNBOUNDED
from limits.store.db import Connection
from limits.store.queries import query

DAY = dt.date(2026, 6, 30)
START = dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC)
KEY = PrivateKey("made", bytes(range(32)))
RULES = 11
NOTICES = ("raised", "lowered", "offered", "announced", "refused", "withdrawn")
SHARED = ("review_id", "shard", "as_of", "currency", "policy_hash", "input_digest", "code_version", "actor", "role",
          "session_role", "decided_at", "batch_id")  # fmt: skip
OWN = (
    "sequence", "user_id", "limit_before_minor", "limit_after_minor", "version_before", "version_after", "action",
    "binding", "reason_bits", "lowest_ceiling_minor", "floor_minor", "capacity_p10_minor", "capacity_p50_minor",
    "capacity_p90_minor", "capacity_method", "months_observed", "disposition", "consent",
)  # fmt: skip
#: The next change is for whoever inserts it: no foreign key is checked, and no trigger fires that is not ALWAYS.
UNGUARDED = b"SET session_replication_role = replica"


def entries(users: Sequence[int], seed: int = 0, rules: int = RULES, form: int = FORMAT) -> Entries:
    """Entries of a batch: most hold, some raise, lower, offer, announce and refuse; one of three is not scored."""
    rng = np.random.default_rng(seed)
    n = len(users)
    before = rng.integers(1_000, 9_000, n) * 100
    outcome = np.arange(n) % 10  # 0, 1 raised; 2 lowered; 3 offered; 4 announced; 5 refused; else held
    after = before + np.where(outcome <= 1, 50_000, np.where(outcome == 2, -20_000, 0))
    ceilings = rng.integers(1_000_000, 2_000_000, (n, rules))
    ceilings[rng.random((n, rules)) < 0.5] = UNBOUNDED
    ceilings[:, 0] = 1_500_000
    waits = (outcome == 3) | (outcome == 4)
    notice = np.select([outcome <= 1, outcome == 2, outcome == 3, outcome == 4, outcome == 5], [1, 2, 3, 4, 5], 0)
    scored = (np.arange(n) % 3 != 1) & (form != WITHOUT_RISK)
    return Entries(
        sequence=np.arange(n),
        user_id=np.asarray(users, dtype=np.int64),
        limit_before_minor=before,
        limit_after_minor=after,
        version_before=rng.integers(0, 9, n),
        binding=rng.integers(0, rules, n),
        reason_bits=rng.integers(0, 2**60, n),
        lowest_ceiling_minor=ceilings.min(axis=1),
        floor_minor=before // 2,
        capacity_p10_minor=rng.integers(0, 10_000, n),
        capacity_p50_minor=rng.integers(10_000, 20_000, n),
        capacity_p90_minor=rng.integers(20_000, 30_000, n),
        capacity_method=rng.integers(0, 4, n),
        months_observed=rng.integers(0, 36, n),
        disposition=np.where(outcome == 3, 1, np.where(outcome == 4, 2, 0)),
        proposed_minor=np.where(waits, before + np.where(outcome == 3, 50_000, -30_000), NONE),
        effective_on=np.where(waits, np.datetime64(DAY, "D") + 30, np.datetime64("NaT", "D")),
        notice=notice,
        notice_due_on=np.where(notice > 0, np.datetime64(DAY, "D") + 7, np.datetime64("NaT", "D")),
        consent=rng.integers(0, 8, n),
        risk_points=np.where(scored, rng.integers(-50, 900, n), NONE),
        risk_probability_ppm=np.where(scored, rng.integers(0, 1_000_001, n), NONE),
        ceilings=ceilings,
        format=form,
    )


class MadeLog:
    """Writes batches, seals them and appends the notes to a file, as whoever may do everything."""

    def __init__(self, conn: Connection, folder: Path, keys: Sequence[PrivateKey] = (KEY,)) -> None:
        self.conn = conn
        self.file = folder / "checkpoints"
        self.public = folder / "log.pub"
        self.keys = keys
        self.lanes: dict[tuple[int, int], bytes] = {}
        self.unsealed: list[tuple[int | None, bytes, int]] = []
        self.leaves: list[bytes] = []
        self.counted = 0
        self.last = ZEROS
        self.now = START
        folder.mkdir(exist_ok=True)
        self.file.write_text("")
        self.public.write_text(checkpoint.write_public_keys(key.public for key in keys))
        (self.identity,) = conn.execute(query("database_identity")).fetchone() or ("",)
        count, digest = conn.execute("SELECT entries, digest FROM limits.log_origin").fetchone() or (0, b"")
        self.unsealed.append((None, record_digest(OriginRecord(count, digest).write()), count))

    def moved(self, conn: Connection, folder: Path) -> MadeLog:
        """The same log in a copy of its database, with files of its own."""
        other = copy.copy(self)
        folder.mkdir()
        other.conn, other.file, other.public = conn, folder / "checkpoints", folder / "log.pub"
        other.lanes, other.unsealed, other.leaves = dict(self.lanes), list(self.unsealed), list(self.leaves)
        other.file.write_bytes(self.file.read_bytes())
        other.public.write_bytes(self.public.read_bytes())
        return other

    def batch(self, review: int, shard: int, made: Entries, *, kind: str = "scheduled", **values: Any) -> int:
        """A batch of a lane with these entries; its number."""
        (number,) = self.conn.execute("SELECT nextval('limits.batches_batch_id_seq')").fetchone() or (0,)
        self.now += dt.timedelta(seconds=1, microseconds=7)
        body, offsets = encode(made)
        lane = review, shard
        record = BatchRecord(**{  # type: ignore[arg-type]
            "batch": number, "review": review, "kind": kind, "shard": shard, "token": 3, "as_of": DAY,
            "currency": "CZK", "policy": _hash("policy"), "input": _hash(f"input {review} {shard}"),
            "model": _hash("model"), "risk": "none", "code": "0.1.0+abc", "role": "champion", "actor": "Zoë Ng",
            "login": "limits_worker", "decided_at": self.now - dt.timedelta(hours=1), "applied_at": self.now,
            "users": len(made), "delta_minor": int((made.limit_after_minor - made.limit_before_minor).sum()),
            "root": merkle.root(merkle.leaf_hashes(body.data, offsets)), "previous": self.lanes.get(lane, ZEROS),
        } | values)  # fmt: skip
        self.write(record, made, [body[a:b].tobytes() for a, b in itertools.pairwise(offsets)])
        digest = record_digest(record.write())
        self.lanes[lane] = digest
        self.unsealed.append((number, digest, len(made)))
        return number

    def write(self, record: BatchRecord, made: Entries, bodies: list[bytes]) -> None:
        """The rows of a batch."""
        with self.conn.transaction():
            self.conn.execute(UNGUARDED)
            self.conn.execute("SELECT limits.ensure_month('limits.adjustment_log', %s)", (record.as_of,))
            self.conn.execute(
                """INSERT INTO limits.batches (batch_id, review_id, shard, token, users, delta_minor, root, applied_at,
                                               record, digest) OVERRIDING SYSTEM VALUE
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
                (record.batch, record.review, record.shard, record.token, record.users, record.delta_minor,
                 record.root, record.applied_at, record.write(), record_digest(record.write())),
            )  # fmt: skip
            shared = (
                record.review, record.shard, record.as_of, record.currency, record.policy, record.input, record.code,
                record.actor, record.role, record.login, record.applied_at, record.batch,
            )  # fmt: skip
            # Entries of the first format are written as there was no other, and so into a database of then.
            nullable = ("proposed_minor", *(() if made.format == WITHOUT_RISK else RISK))
            names = ", ".join((*SHARED, *OWN, *nullable, "ceilings_minor", "entry"))
            with self.conn.cursor().copy(f"COPY limits.adjustment_log ({names}) FROM STDIN".encode()) as rows:
                columns = [getattr(made, name).tolist() for name in OWN]
                columns += [[None if v == NONE else v for v in getattr(made, name).tolist()] for name in nullable]
                bounds = [[None if v == UNBOUNDED else v for v in row] for row in made.ceilings.tolist()]
                for row in zip(*columns, bounds, bodies, strict=True):
                    rows.write_row((*shared, *row))
            self._tell(record, made)
            self.conn.execute("SET session_replication_role = origin")

    def _tell(self, record: BatchRecord, made: Entries) -> None:
        self.conn.execute(
            """INSERT INTO limits.notices (entry_id, review_id, user_id, kind, as_of, due_on)
               SELECT l.entry_id, l.review_id, l.user_id, t.kind, l.as_of, t.due
                 FROM unnest(%s::bigint[], %s::text[], %s::date[]) t(user_id, kind, due)
                 JOIN limits.adjustment_log l ON l.user_id = t.user_id AND l.batch_id = %s
                ORDER BY l.sequence""",
            (*_columns(made, made.notice > 0, [NOTICES[k - 1] for k in made.notice[made.notice > 0]],
                       made.notice_due_on), record.batch),
        )  # fmt: skip
        waits = made.disposition > 0
        kinds = ["offer" if k == 1 else "announced" for k in made.disposition[waits]]
        self.conn.execute(
            """INSERT INTO limits.pending_changes (entry_id, review_id, user_id, kind, as_of, currency, limit_minor,
                                                   proposed_minor, effective_on, state, ended_at)
               SELECT l.entry_id, l.review_id, l.user_id, t.kind, l.as_of, l.currency, l.limit_before_minor,
                      l.proposed_minor, t.day, 'expired', now()
                 FROM unnest(%s::bigint[], %s::text[], %s::date[]) t(user_id, kind, day)
                 JOIN limits.adjustment_log l ON l.user_id = t.user_id AND l.batch_id = %s""",
            (*_columns(made, waits, kinds, made.effective_on), record.batch),
        )

    def adopt(self) -> None:
        """Takes up the batches that the engine has applied."""
        rows = self.conn.execute("SELECT batch_id, digest, users FROM limits.batches ORDER BY batch_id").fetchall()
        known = {number for number, _, _ in self.unsealed}
        self.unsealed += [(number, bytes(digest), users) for number, digest, users in rows if number not in known]

    def seal(self, at: dt.datetime | None = None) -> str:
        """All that is not sealed goes into the tree; the note over it."""
        self.now += dt.timedelta(seconds=20)
        rows = []
        for number, digest, users in self.unsealed:
            rows.append((len(self.leaves), number, digest))
            self.leaves.append(digest)
            self.counted += users
        self.unsealed = []
        made = Checkpoint(
            self.identity, len(self.leaves), merkle.root(self.leaves), self.counted, at or self.now, self.last
        )
        note = checkpoint.sign(made, self.keys)
        with self.conn.transaction():
            with self.conn.cursor() as cursor:
                cursor.executemany("INSERT INTO limits.sealed_batches VALUES (%s, %s, %s)", rows)
            self.conn.execute(
                """INSERT INTO limits.checkpoints (checkpoint_id, tree_size, root, entries, note, key_id)
                   SELECT coalesce(max(checkpoint_id), 0) + 1, %s, %s, %s, %s, %s FROM limits.checkpoints""",
                (made.tree_size, made.root, made.entries, note, self.keys[0].public.key_id),
            )
        self.last = checkpoint.digest(note)
        with self.file.open("a", newline="\n") as file:
            file.write(checkpoint.join([note]))
        return note


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _columns(made: Entries, rows: Any, kinds: list[str], days: Any) -> tuple[list[int], list[str], list[dt.date]]:
    return made.user_id[rows].tolist(), kinds, days[rows].tolist()
