"""[risk] of a policy: how it is read, what makes no sense in it, which scorecard it goes with, and how it is told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from limits.decision import decide, review
from limits.errors import PolicyError
from limits.notices import render
from limits.policy import Policy, parse_policy
from limits.policy_changes import Direction, policy_changes
from limits.portfolio import PaymentRecord
from limits.reasons import Reason
from limits.risk import Loss, Risk, losses
from limits.store.policies import read_pack
from tests.policies import STANDARD, changed, yuan
from tests.portfolios import make_portfolio
from tests.risks import BANDS, RULES, scorecard
from tests.unit.test_notices import CUT, HELD, TOLD_ON, policy

SECTION = """
[risk]
required = true
loss_given_default_bps = 6000
conversion_bps = 5000

[[risk.band]]
name = "A"
months_of_capacity = 36
most = "120000 CNY"
raise = true
limit_bps = 10000

[[risk.band]]
name = "B"
months_of_capacity = 12
most = "40000 CNY"
raise = true
limit_bps = 10000

[[risk.band]]
name = "C"
months_of_capacity = 0
most = "0 CNY"
raise = false
limit_bps = 8000
"""
BODY = read_pack("standard")[-1].body
LINES = BODY.count("\n")


def read(*replaced: tuple[str, str]) -> Policy:
    section = SECTION
    for old, new in replaced:
        assert old in section
        section = section.replace(old, new, 1)
    return parse_policy(BODY + section, file="mine.toml")


def test_the_section_is_read_and_one_that_is_left_out_is_none() -> None:
    assert STANDARD.risk is None
    found = read().risk
    assert found is not None and found.required and [band.name for band in found.band] == list(BANDS)
    assert [(band.raises, band.limit_bps) for band in found.band] == [(True, 10_000), (True, 10_000), (False, 8000)]


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (("raise = false", "raise = true"), "takes part of the limit back, and raise is true"),
        (('"40000 CNY"', '"120001 CNY"'), "risk.band[2].most lets B have more than A, which is better"),
        (("months_of_capacity = 12", "months_of_capacity = 37"), "risk.band[2].months_of_capacity lets B have more"),
        (("raise = true", "raise = false"), "risk.band[2].raise lets B have more than A"),
        (('name = "B"', 'name = "A"'), "risk.band[2].name 'A' is there twice"),
        (('"120000 CNY"', '"120000 EUR"'), "risk.band[1].most is in EUR and the policy in CNY"),
        (('"120000 CNY"', '"900000 CNY"'), "risk.band[1].most is above maximum.product"),
        (("required = true\n", ""), "risk.required is missing"),
        (("conversion_bps", "conversion_bp"), "did you mean 'conversion_bps'?"),
        (("loss_given_default_bps = 6000", "loss_given_default_bps = 10001"), "must be at most 10000"),
    ],
)
def test_what_makes_no_sense_is_named_with_file_and_line(replaced: tuple[str, str], message: str) -> None:
    with pytest.raises(PolicyError) as raised:
        read(replaced)
    assert message in str(raised.value)
    file, line, _ = str(raised.value).split(":", 2)
    assert file == "mine.toml" and int(line) > LINES


def test_a_share_that_a_worse_band_keeps_more_of_is_named() -> None:
    with pytest.raises(PolicyError, match=r"risk\.band\[3\]\.limit_bps lets C have more than B"):
        read(("raise = true\nlimit_bps = 10000\n\n[[risk.band]]\nname = \"C\"",
              "raise = false\nlimit_bps = 7000\n\n[[risk.band]]\nname = \"C\""))  # fmt: skip


@pytest.mark.parametrize(
    ("bands", "message", "line"),
    [
        (("A", "B", "C", "D"), "has no band D, which the scorecard has; add a [[risk.band]] for it", 24),
        (("A", "B"), "names the band C, which the scorecard does not have; remove it", 22),
        (("B", "A", "C"), "names the bands in another order than the scorecard does; put the best first", 8),
        (("A", "C", "D"), "has no band D", 24),
    ],
)
def test_a_scorecard_of_other_bands_is_refused_with_line_and_mend(
    bands: tuple[str, ...], message: str, line: int
) -> None:
    portfolio = make_portfolio([{}])
    made = review(portfolio, STANDARD)
    risk = Risk(*(np.zeros(1, dtype=np.int64) for _ in range(3)), bands=bands)
    with pytest.raises(PolicyError) as raised:
        decide(portfolio, made.capacity, risk, read())
    assert message in str(raised.value) and "withdraw the model" in str(raised.value)
    decide(portfolio, made.capacity, risk, STANDARD)  # says nothing of bands
    decide(portfolio, made.capacity, dataclasses.replace(risk, bands=BANDS), read())


def test_a_model_scores_and_without_one_nobody_is_scored() -> None:
    use = [{"balance": 1_000_000}]
    portfolio = make_portfolio([{"statements": use}, {"statements": use, "days_past_due": 45}])
    model = scorecard()
    made = review(portfolio, changed(risk=RULES), model)
    assert made.risk.points.tolist() == [95, 35] and made.risk.bands == BANDS
    assert made.risk.band.tolist() == [0, 2]
    assert [Reason.RISK_BAND in made.reasons(row) for row in (0, 1)] == [False, True]
    without = review(portfolio, changed(risk=RULES.model_copy(update={"required": True})))
    assert not without.risk.scored.any() and Reason.RISK_UNKNOWN in without.reasons(0)
    # Points may be any number, minus one included.
    assert review(portfolio, STANDARD, scorecard(base_points=-81)).risk.scored.all()


def test_what_cost_points_is_named_most_first() -> None:
    portfolio = make_portfolio([{"days_past_due": 1}, {}])
    none = PaymentRecord.none(2)
    record = dataclasses.replace(none, held=none.held + 1, balance=none.balance + np.array([[1_900_000], [0]]))
    portfolio = dataclasses.replace(portfolio, payment_record=record)
    first, second = losses(scorecard(), portfolio, review(portfolio, STANDARD).capacity)
    assert [(one.name, one.points) for one in first] == [("late", 40), ("use", 35)]
    assert [one.text("en") for one in first] == ["days past due", "use of the limit"]
    assert [one.text("zh") for one in first] == ["逾期天数", "额度使用率"]
    assert second == ()
    assert Loss("both", ("days_past_due_now", "utilisation_now"), 3).text() == (
        "days past due, together with use of the limit"
    )


LOST = tuple(
    Loss(name, (feature,), points)
    for name, feature, points in (("late", "days_past_due_now", 60), ("use", "utilisation_now", 35))
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_notice_names_what_cost_points_in_place_of_the_score(language: str) -> None:
    reasons = ((Reason.RISK_BAND, 1_400_000), (Reason.PAST_DUE, 1_600_000), (Reason.RISK_MAXIMUM, 1_900_000))
    facts = dataclasses.replace(CUT, reasons=reasons, lost=LOST)
    letter = render(facts, policy(), TOLD_ON)[language]
    listed = [line for line in letter.splitlines() if line.startswith("- ")]
    words = {"en": ("days past due", "use of the limit", "past due"), "zh": ("逾期天数", "额度使用率", "逾期")}[
        language
    ]
    assert all(word in line for word, line in zip(words, listed, strict=False))
    assert not any(word in letter for word in ("scorecard", "评分显示", "too likely"))
    # No more than the policy names: other reasons first, and one characteristic at least.
    two = render(facts, policy(principal_reasons=2), TOLD_ON)[language]
    assert words[0] in two and words[1] not in two
    # What is not known any more is told in general, once.
    general = render(dataclasses.replace(facts, lost=()), policy(), TOLD_ON)[language]
    assert "- 据我们所知" in general or "- a payment is likely to be missed, by what we know of you" in general


def test_a_refused_request_names_what_cost_points() -> None:
    facts = dataclasses.replace(HELD, reasons=((Reason.RISK_MAXIMUM, 2_000_000),), lost=LOST)
    letter = render(facts, policy(), TOLD_ON)["en"]
    assert "The main reasons:\n- in how likely a payment is to be missed: days past due\n" in letter


def test_a_changed_risk_is_told_in_words() -> None:
    plain, banded = STANDARD, changed(risk=RULES)
    (come,), (gone,) = policy_changes(plain, banded), policy_changes(banded, plain)
    assert (come.key, come.new, come.direction) == ("risk", "A, B, C", Direction.STRICTER)
    assert (gone.words, gone.direction) == ("no score bounds limits", Direction.LOOSER)
    assert policy_changes(banded, banded) == []
    a, b, c = RULES.band
    for update, key, direction, words in (
        ({"required": True}, "risk.required", "STRICTER", "a raise needs a score"),
        ({"conversion_bps": 4000}, "risk.conversion_bps", "LOOSER", "of what is not drawn, 40% will be"),
        ({"band": (a, b.model_copy(update={"most": yuan(20_000)}), c)}, "risk.band[B].most", "STRICTER",
         "the band B: raised to 20,000.00 CNY at most instead of 24,000.00 CNY"),
        ({"band": (a, b.model_copy(update={"months_of_capacity": 7}), c)}, "risk.band[B].months_of_capacity",
         "LOOSER", "the band B: raised to 7 months of capacity at most instead of 6 months"),
        ({"band": (a, b.model_copy(update={"raises": False}), c)}, "risk.band[B].raise", "STRICTER",
         "the band B: is not raised"),
        ({"band": (a, b, c.model_copy(update={"limit_bps": 7000}))}, "risk.band[C].limit_bps", "STRICTER",
         "the band C: 70% of the limit is kept instead of 80%"),
        ({"band": (a, b)}, "risk.band[C]", "NEITHER", "the band C of the scorecard goes"),
    ):  # fmt: skip
        (one,) = policy_changes(banded, changed(risk=RULES.model_copy(update=update)))
        assert (one.key, one.direction.name) == (key, direction)
        assert one.words.startswith(words), one.words
