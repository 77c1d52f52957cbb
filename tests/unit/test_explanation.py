"""The words about a decision: what beside the ceilings shaped it is said too."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from limits import explanation
from limits.reasons import Reason
from limits.store.log import LogEntry

ENTRY = LogEntry(
    entry_id=7, review_id=3, shard=0, user_id=42, as_of=dt.date(2026, 6, 30),
    decided_at=dt.datetime(2026, 7, 1, 2, 0, tzinfo=dt.UTC), currency="CNY", exponent=2, limit_before_minor=2_000_000,
    limit_after_minor=2_000_000, version_before=0, version_after=0, action=0, binding=Reason.ABILITY_TO_PAY,
    reason_bits=1 << Reason.ABILITY_TO_PAY, ceilings_minor=[20_000_000, 15_000_000, 2_400_000, None, 1_940_000],
    lowest_ceiling_minor=1_940_000, floor_minor=1_400_000, capacity_p10_minor=1, capacity_p50_minor=2,
    capacity_p90_minor=3, capacity_method=0, months_observed=12, policy_hash=b"p" * 32, input_digest=b"d" * 32,
    code_version="0", actor="anna", role="champion", session_role="app", review_kind="recompute", schedule=None,
    review_reason="asked", pack="standard", policy_effective_on=dt.date(2026, 1, 1),
)  # fmt: skip
TOO_SMALL = "smaller than the policy lets a review make"
SOFTENED = "The floor keeps the limit above the lowest ceiling"


@pytest.mark.parametrize(
    ("change", "says", "never"),
    [
        ({}, TOO_SMALL, SOFTENED),
        ({"lowest_ceiling_minor": 2_050_000}, TOO_SMALL, SOFTENED),
        ({"lowest_ceiling_minor": 2_000_000}, "limit held", TOO_SMALL),
        ({"lowest_ceiling_minor": 900_000, "floor_minor": 2_000_000}, SOFTENED, TOO_SMALL),
        ({"lowest_ceiling_minor": 900_000, "limit_after_minor": 1_400_000, "action": -1}, SOFTENED, TOO_SMALL),
        ({"lowest_ceiling_minor": 1_850_000, "limit_after_minor": 1_850_000, "action": -1}, "limit lowered", SOFTENED),
        ({"limit_after_minor": 2_400_000, "lowest_ceiling_minor": 2_400_000, "action": 1}, "limit raised", TOO_SMALL),
    ],
)
def test_hysteresis_and_floor_are_said(
    change: dict[str, int], says: str, never: str, capsys: pytest.CaptureFixture[str]
) -> None:
    explanation.show(dataclasses.replace(ENTRY, **change))
    printed = capsys.readouterr().out
    assert says in printed and never not in printed
    explanation.show(dataclasses.replace(ENTRY, **change), "zh")
    assert "额度" in capsys.readouterr().out


def test_points_and_probability_are_shown_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    scored = dataclasses.replace(ENTRY, risk_points=-12, risk_probability_ppm=41_049)
    for language, line in (("en", "  Risk       -12 points: 4.10% miss a payment\n"),
                           ("zh", "-12 分：逾期的可能性为 4.10%\n")):  # fmt: skip
        explanation.show(scored, language)
        assert line in capsys.readouterr().out
        explanation.show(scored, language, scored=True)
        assert line not in capsys.readouterr().out
        explanation.show(ENTRY, language)
        assert explanation.WORDS[language]["risk"] not in capsys.readouterr().out
    # Nothing is as much a score as any other number.
    explanation.show(dataclasses.replace(ENTRY, risk_points=0, risk_probability_ppm=0))
    assert "0 points: 0.00% miss a payment" in capsys.readouterr().out


def test_what_belongs_to_no_review_names_none(capsys: pytest.CaptureFixture[str]) -> None:
    explanation.show(dataclasses.replace(ENTRY, entry_id=0, review_id=0))
    assert "  Review     recompute: asked\n" in capsys.readouterr().out
    explanation.show(ENTRY)
    assert "  Review     3 (recompute): asked\n" in capsys.readouterr().out
