"""A model file that would score in silence otherwise than it looks, or not at all, is refused when it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from limits.engine.risk_governing import LARGEST_FILE, read_model
from limits.errors import InputError
from limits.risk import parse_scorecard
from tests.risks import CARD, scorecard

TEXT = json.dumps(CARD)
BANDS = CARD["bands"]


def table(features: list[str], edges: list[list[float]], points: list[int]) -> dict[str, Any]:
    return {"characteristics": [{"name": "one", "features": features, "edges": edges, "points": points}]}


def test_a_card_that_could_not_be_shown_is_refused() -> None:
    with pytest.raises(InputError, match="card: "):
        parse_scorecard(TEXT.replace('"card": {', '"card": {"deep": ' + "[" * 500 + "]" * 500), file="m")


@pytest.mark.parametrize("sums", [2**63, -(2**63), 10**30, -(10**10)])
def test_points_beyond_any_sum_are_refused(sums: int) -> None:
    """From -2**63 on the difference to a user's points leaves int64, and the worst had the probability of the best."""
    with pytest.raises(InputError, match=r"points_from: Input should be (less|greater) than or equal to -?1000000000$"):
        scorecard(points_from=sums)
    bands = [{"name": "A", "points_from": sums + 1}, {"name": "B", "points_from": sums}]
    with pytest.raises(InputError, match=r"bands.0.points_from: Input should be"):
        scorecard(bands=bands)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (table(["delay_total"], [[1, 30]], [0, 20, 10, 30]), "more of delay_total must not give more points"),
        (table(["credit_left"], [[1, 30]], [0, 20, 10, 30]), "less of credit_left must not give more points"),
        # In one row of a table of two, and where the other is not known.
        (table(["delay_total", "utilisation_now"], [[1], [1]], [9, 9, 9, 5, 5, 10, 0, 0, 0]), "more of delay_total"),
        (table(["utilisation_now", "delay_total"], [[1], [1]], [9, 8, 0, 9, 9, 0, 1, 2, 0]), "more of delay_total"),
        (table(["delay_total", "delay_total"], [[1], [2]], [0] * 9), "reads delay_total twice"),
    ],
)
def test_points_against_the_direction_of_a_feature_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        scorecard(**changes)


def test_what_is_not_known_and_what_has_no_direction_may_have_any_points() -> None:
    scorecard(**table(["delay_total"], [[1, 30]], [20, 20, 10, 90]))
    scorecard(**table(["utilisation_now"], [[1, 30]], [0, 20, 10, 30]))
    scorecard(**table(["delay_total", "utilisation_now"], [[1], [1]], [9, 2, 9, 5, 1, 5, 0, 70, 0]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXT[:-1] + ', "base_points": 9000}', "the key 'base_points' is there twice"),
        (TEXT.replace('"name": "late",', '"name": "late", "points": [0, 0, 0, 0],'), "the key 'points' is there twice"),
        (TEXT.replace('"card": {}', '"card": {"auc": NaN}'), "NaN is no number"),
        (TEXT.replace('"card": {}', '"card": {"auc": -Infinity}'), "-Infinity is no number"),
        (TEXT.replace('"card": {}', '"card": {"auc": 1e999}'), "not JSON"),
        (TEXT.replace('"card": {}', '"card": {"who": "\\ud800"}'), "not JSON"),
        (TEXT[:200], "not JSON"),
    ],
)
def test_a_text_that_says_two_things_or_no_number_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        parse_scorecard(text, file="model.json")
    assert str(refused.value).startswith("model.json: ") and "\n" not in str(refused.value)


@pytest.mark.parametrize("population", [{"currency": "twd"}, {"currency": ["TWD"]}, {"currency": 5}, ["TWD"], "TWD"])
def test_a_currency_that_cannot_be_read_is_not_taken_for_none(population: Any) -> None:
    with pytest.raises(InputError, match="three capital letters, or left out"):
        scorecard(card={"population": population})
    assert scorecard(card={"population": {}}).currency is scorecard().currency is None
    assert scorecard(card={"population": {"currency": "TWD"}}).currency == "TWD"


def test_no_more_is_read_of_a_file_than_a_model_may_have(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="/dev/zero has more bytes than the 4,194,304 that a model may have"):
        read_model(Path("/dev/zero"))
    file = tmp_path / "model.json"
    file.write_text(TEXT + " " * (LARGEST_FILE - len(TEXT)))
    assert read_model(file).name == "two-things"
