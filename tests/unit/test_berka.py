"""The adapter for the Czech borrowers: what it writes, and what it must never write."""

import csv
import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from limits.samples import berka

AS_OF = dt.date(2026, 3, 31)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> berka.SampleFiles:
    return berka.write_import_files(tmp_path_factory.mktemp("berka"), AS_OF)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_borrower_and_transaction_is_written_once(written: berka.SampleFiles) -> None:
    users, events = read(written.users), read(written.events)
    assert len(users) == len({u["user_id"] for u in users}) == written.user_count == 343
    assert len(events) == len({e["source_id"] for e in events}) == written.event_count == 28_065
    assert {e["user_id"] for e in events} == {u["user_id"] for u in users}


def test_every_history_ends_before_the_review_date_and_starts_with_the_account(written: berka.SampleFiles) -> None:
    opened = {u["user_id"]: u["opened_on"] for u in read(written.users)}
    for event in read(written.events):
        assert opened[event["user_id"]] <= event["occurred_at"][:10] < AS_OF.isoformat()
    assert {u["observed_through"] for u in read(written.users)} == {AS_OF.isoformat()}


def test_an_account_moves_as_a_whole(written: berka.SampleFiles, tmp_path: Path) -> None:
    later = berka.write_import_files(tmp_path, AS_OF + dt.timedelta(days=40))

    def day(event: dict[str, str]) -> dt.date:
        return dt.date.fromisoformat(event["occurred_at"][:10])

    moved = {(day(new) - day(old)).days for old, new in zip(read(written.events), read(later.events), strict=True)}
    assert moved == {40}


def test_one_account_by_hand(written: berka.SampleFiles) -> None:
    """Account 19 was opened on 1995-04-07; its loan of 30,276 was granted on 1996-04-29, 388 days later."""
    user = next(u for u in read(written.users) if u["user_id"] == "19")
    first = next(e for e in read(written.events) if e["user_id"] == "19")
    assert first == {
        "source_id": "4530", "user_id": "19", "occurred_at": f"{user['opened_on']}T00:00:00Z",
        "kind": "income", "amount": "1000.0", "currency": "CZK",
    }  # fmt: skip
    assert (user["currency"], user["jurisdiction"], user["status"], user["raise_consent"]) == (
        "CZK", "CZ", "active", "yes"
    )  # fmt: skip
    assert user["credit_limit"] == "30276"
    assert AS_OF - dt.date.fromisoformat(user["opened_on"]) == dt.timedelta(days=388)


@pytest.mark.parametrize(
    ("transaction_type", "label", "kind"),
    [
        ("PRIJEM", "", "income"),
        ("PRIJEM", "UROK", "income"),
        ("VYDAJ", "SIPO", "essential"),
        ("VYDAJ", "POJISTNE", "essential"),
        ("VYDAJ", "UVER", "obligation"),
        ("VYDAJ", "SLUZBY", "fee"),
        ("VYDAJ", "SANKC. UROK", "penalty"),
        ("VYDAJ", " ", "discretionary"),
        ("VYBER", "", "discretionary"),
    ],
)
def test_kinds(transaction_type: str, label: str, kind: str) -> None:
    assert berka.kind_of(transaction_type, label) == kind


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="'PRENOS'"):
        berka.kind_of("PRENOS", "")


def test_amounts_are_positive_and_exact(written: berka.SampleFiles) -> None:
    for event in read(written.events):
        amount = Decimal(event["amount"])
        assert amount > 0
        assert amount == round(amount, 2)


def test_the_outcome_is_in_no_file(written: berka.SampleFiles) -> None:
    """Good and bad loans write the same columns with the same constant values."""
    bad = berka.outcomes()
    assert Counter(bad.values()) == {False: 301, True: 42}
    users = read(written.users)
    for column in ("status", "segment", "industry", "identity_status", "income_status", "raise_consent"):
        assert len({u[column] for u in users}) == 1
