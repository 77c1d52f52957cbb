"""Imports of users: founded once, states are dated rows, the limit is never changed, and the months marked."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

from limits.store import reviews
from limits.store.db import Connection
from tests.imports import USERS, load, one, refused, rows

USER = (
    "5,2026-01-01,active,retail,farming,CNY,CN,2025-01-01,2025-01-01,2026-05-31,"
    "verified,2025-01-02,verified,2025-02-01,yes,1000.00"
)
BAD_USERS = [
    (",active,", ",asleep,", "unknown_status", 'status "asleep" is none of active, blocked, closed'),
    (",verified,2025-01-02", ",sure,2025-01-02", "unknown_status", 'identity_status "sure"'),
    (",verified,2025-02-01", ",maybe,2025-02-01", "unknown_status", 'income_status "maybe"'),
    (",yes,", ",y,", "not_yes_or_no", 'raise_consent "y" is none of yes, no'),
    ("CNY", "RMB", "unknown_currency", 'currency "RMB"'),
    (",2025-01-01,2025-01-01,", ",2026-07-01,2025-01-01,", "in_future", "opened_on"),
    ("2026-01-01", "2026-07-01", "in_future", "effective_on"),
    ("2026-01-01", "2024-12-31", "before_account", "effective_on"),
    ("2026-01-01", "2026-13-01", "not_a_date", "effective_on"),
    (",2025-01-01,2026-05-31", ",2024-12-31,2026-05-31", "before_account", "observed_from"),
    ("2026-05-31", "2026-07-01", "in_future", "observed_through"),
    (",2025-01-01,2026-05-31", ",2026-05-31,2026-05-30", "dates_out_of_order", "observed_from"),
    (",2025-01-01,2026-05-31", ",2025-01-01,", "missing_field", "together or not at all"),
    ("1000.00", "-1", "amount_negative", 'credit_limit "-1" is below zero'),
    ("1000.00", "NaN", "not_a_number", "credit_limit"),
    ("1000.00", "1" * 15, "amount_too_large", "credit_limit"),
    ("1000.00", "", "missing_field", "credit_limit is empty, and user 5 is new"),
    ("active", "", "missing_field", "status is empty"),
]  # fmt: skip


def test_bad_users_are_quarantined_and_the_rest_is_let_in(ops: Connection, tmp_path: Path) -> None:
    bad = [USER.replace(part, instead, 1) for part, instead, _, _ in BAD_USERS]
    assert USER not in bad
    other = USER.replace("5,", "6,", 1)
    counts = load(ops, "users", tmp_path, "\n".join([other, *bad]).encode())
    assert (counts.new, counts.quarantined) == (1, len(bad))
    refused(ops, bad, BAD_USERS)
    assert rows(ops, "SELECT user_id FROM limits.users") == [(6,)]


def test_a_first_state_founds_the_user_the_credit_line_and_the_profile(ops: Connection, tmp_path: Path) -> None:
    load(ops, "users", tmp_path, USER.encode(), source="crm")
    day = dt.date(2025, 1, 1)
    assert rows(ops, "SELECT user_id, currency, opened_on, source FROM limits.users") == [(5, "CNY", day, "crm")]
    assert rows(ops, "SELECT user_id, currency, limit_minor, opening_limit_minor, version, opened_on "
                     "FROM limits.credit_lines") == [(5, "CNY", 100_000, 100_000, 0, day)]  # fmt: skip
    assert rows(ops, "SELECT effective_on, status, segment, industry, jurisdiction, observed_from, observed_through, "
                     "identity_status, identity_checked_on, income_status, income_verified_on, raise_consent "
                     "FROM limits.user_profiles") == [
        (dt.date(2026, 1, 1), "active", "retail", "farming", "CN", day, dt.date(2026, 5, 31), "verified",
         dt.date(2025, 1, 2), "verified", dt.date(2025, 2, 1), True)
    ]  # fmt: skip
    assert one(ops, "SELECT count(DISTINCT month) FROM limits.dirty_months") == 17


def test_an_empty_field_of_a_user_means_that_nothing_is_known(ops: Connection, tmp_path: Path) -> None:
    load(ops, "users", tmp_path, USERS)
    known = "segment, observed_from, identity_status, income_status, raise_consent"
    assert rows(ops, f"SELECT {known} FROM limits.user_profiles WHERE user_id = 2") == [
        ("", None, "unverified", "unverified", False)
    ]
    assert rows(ops, "SELECT limit_minor FROM limits.credit_lines ORDER BY user_id") == [
        (2_000_000,),
        (300_000,),
        (500_125,),
    ]


def test_a_later_state_is_a_new_row_and_never_changes_the_limit(ops: Connection, tmp_path: Path) -> None:
    later = USER.replace("2026-01-01", "2026-02-01", 1)
    changed = {
        "repeats the opening limit": (later, None),
        "leaves the limit out": (later.replace("2026-02-01", "2026-02-02").replace("1000.00", ""), None),
        "another limit": (later.replace("2026-02-01", "2026-02-03").replace("1000.00", "2000.00"), "limit_changed"),
        "another currency": (later.replace("2026-02-01", "2026-02-04").replace("CNY", "USD"), "wrong_currency"),
        "another opening": (later.replace(",2025-01-01,2025-01-01,", ",2024-12-31,2025-01-01,"), "opening_changed"),
        "another content": (later.replace("active", "blocked"), "duplicate_id_other_content"),
    }
    body = "\n".join([USER, *(row for row, _ in changed.values())]).encode()
    for new, known in ((3, 0), (0, 3)):  # and the same file again
        counts = load(ops, "users", tmp_path, body)
        assert (counts.new, counts.known, counts.quarantined) == (new, known, 4)
        found = rows(ops, "SELECT line, reason FROM limits.quarantine ORDER BY line")
        assert found == [(line, reason) for line, (_, reason) in enumerate(changed.values(), start=3) if reason]
    assert rows(ops, "SELECT limit_minor, opening_limit_minor, version FROM limits.credit_lines") == [
        (100_000, 100_000, 0)
    ]
    assert one(ops, "SELECT count(*) FROM limits.user_profiles") == 3


def test_the_row_that_gives_the_limit_founds_the_user_wherever_it_stands(ops: Connection, tmp_path: Path) -> None:
    """Newest state first; and where two rows claim one date, the founder wins, now and in a second import."""
    newest = USER.replace("2026-01-01", "2026-03-01", 1).replace("1000.00", "")
    rival = USER.replace("active", "blocked").replace("1000.00", "")
    body = "\n".join([newest, rival, USER]).encode()
    for new, known in ((2, 0), (0, 2)):
        counts = load(ops, "users", tmp_path, body)
        assert (counts.new, counts.known) == (new, known)
        assert rows(ops, "SELECT line, reason FROM limits.quarantine") == [(3, "duplicate_id_other_content")]


def test_the_months_marked_are_those_whose_observation_changes(
    ops: Connection, conn: Connection, tmp_path: Path
) -> None:
    """After every import of random states a refresh of the marked months gives what a recount of all gives."""
    rng = random.Random(20260630)
    opened = dt.date(2025, 1, 1)

    def state_of(user: int, first: bool) -> str:
        effective = opened + dt.timedelta(days=rng.randrange(500))
        window = ","
        if rng.random() < 0.8:
            start, days = opened + dt.timedelta(days=rng.randrange(300)), rng.randrange(240)
            window = f"{start},{start + dt.timedelta(days=days)}"
        return f"{user},{effective},active,,,CNY,,{opened},{window},,,,,,{1000 if first else ''}"

    cells = "SELECT user_id, month, observed, observed_as_of FROM limits.monthly_cash_flow WHERE observed_as_of <> '{}'"
    for turn in range(8):
        body = "\n".join(state_of(user, turn == 0) for user in range(1, 30) for _ in range(1 if turn == 0 else 2))
        load(ops, "users", tmp_path, body.encode())
        reviews.refresh_cash_flow(conn)
        marked = sorted(map(str, rows(conn, cells)))
        conn.execute(
            "INSERT INTO limits.dirty_months (user_id, month) "
            "SELECT u, m FROM generate_series(1, 29) u, "
            "generate_series('2025-01-01', '2026-12-01', interval '1 month') m"
        )
        reviews.refresh_cash_flow(conn)
        assert marked == sorted(map(str, rows(conn, cells)))
    assert marked
