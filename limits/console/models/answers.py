"""What is told of risk models, for the API and the pages alike."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import BaseModel, Field

from limits.console.context import Context
from limits.console.paging import Page, cursor_of, page_of, place_of
from limits.console.records import ProposalFields
from limits.engine.asking import today
from limits.errors import RiskModelError
from limits.explanation import months
from limits.risk import FEATURES, Scorecard
from limits.risk.telling import bands, bins, card_lines
from limits.risk_training.watching import Monitored, watch
from limits.store import risk_models
from limits.store.db import Connection
from limits.store.risk_models import RiskApproval

#: Users whose outcomes are looked at, and bootstraps of their figures.
MOST_USERS, BOOTSTRAPS = 20_000, 200


class ModelApproval(ProposalFields):
    """A model proposed to score from a date on, and what became of it."""

    model_hash: str
    name: str
    horizon_months: int

    @classmethod
    def of(cls, row: RiskApproval) -> ModelApproval:
        """From the row of the store."""
        return cls.model_validate(row.as_dict())


class ModelDecided(ModelApproval):
    """A proposal after a verdict."""

    changed: bool = Field(description="By this request; false where it stood so before.")


class ModelList(Page[ModelApproval]):
    """Proposals of models, the newest first."""

    in_force: str | None = Field(description="The hash of the model that scores today; null: nobody is scored.")


class BandAnswer(BaseModel):
    """A band of the scorecard."""

    name: str
    points_from: int | None = Field(description="Null of the last one, which holds everybody below.")
    missed: str = Field(description="Probabilities of a missed payment from its best user to its worst.")


class BinAnswer(BaseModel):
    """Points for one bin of a characteristic."""

    characteristic: str
    bin: str
    points: int


class CharacteristicAnswer(BaseModel):
    """What the scorecard looks at."""

    name: str
    looks_at: list[str]
    least: int
    most: int


class CardLine(BaseModel):
    """What the model's card says."""

    what: str = Field(description="Empty where it continues the line before.")
    words: str


class ModelAnswer(BaseModel):
    """A scorecard in words, and who decided that it may score."""

    model_hash: str
    name: str
    horizon: str
    horizon_months: int
    currency: str | None
    base_points: int
    bands: list[BandAnswer]
    characteristics: list[CharacteristicAnswer]
    bins: list[BinAnswer]
    card: list[CardLine] = Field(description="In the words of whoever made it.")
    proposals: list[ModelApproval] = Field(description="The oldest first.")


class DriftAnswer(BaseModel):
    """What was measured, and whether somebody should look: from 0.1 on watch, from 0.25 on alert."""

    what: str
    measure: str
    value: float
    state: str = Field(description="ok, watch or alert")
    says: str


class WatchedAnswer(BaseModel):
    """How the users of one review scored, by the adjustment log."""

    review_id: int
    as_of: dt.date
    users: int
    expected: float = Field(description="Mean probability of a missed payment.")
    stability: DriftAnswer | None = Field(description="Null where the card does not say how its users were spread.")
    bands: dict[str, int]


class PartAnswer(BaseModel):
    """Users of about one probability: what was expected of them, and what became of them."""

    part: str
    users: int
    expected: float
    missed: float
    missed_low: float | None
    missed_high: float | None


class BecameAnswer(BaseModel):
    """What became of users until their horizon was over."""

    review_id: int
    as_of: dt.date
    until: dt.date
    scored: int = Field(description="Users looked at: all of the review, or so many of them.")
    known: int = Field(description="Those of whom something was to be seen.")
    figures: dict[str, float | None]
    intervals: dict[str, list[float | None]]
    calibration: list[PartAnswer]
    measures: list[DriftAnswer]


class MonitoringAnswer(BaseModel):
    """What the adjustment log says of a model. Nobody is scored anew."""

    model_hash: str
    trouble: str = Field(description="Why nothing is said of stability; empty where it is.")
    alerts: int
    reviews: list[WatchedAnswer]
    became: BecameAnswer | None = Field(description="Null where no horizon is over, or nothing was to be seen.")


def listing(conn: Connection, *, limit: int, cursor: str | None) -> ModelList:
    """Every proposal, the newest first, and what scores today."""
    before = place_of(cursor, int)
    rows = [one for one in reversed(risk_models.history(conn)) if before is None or one.approval_id < before[0]]
    page = page_of(rows, limit, ModelApproval.of, lambda row: cursor_of(row.approval_id))
    now = risk_models.in_force(conn, today())
    return ModelList(**page, in_force=now.model_hash.hex() if now else None)


def found(conn: Connection, digits: str) -> tuple[Scorecard, list[RiskApproval]]:
    """The model whose hash begins so, and its proposals, the oldest first."""
    proposals = risk_models.named(conn, digits)
    model = risk_models.load(conn, proposals[-1].model_hash)
    if model is None:
        raise RiskModelError(f"the risk model {digits} is not in the database")
    return model, proposals


def told(model: Scorecard, proposals: list[RiskApproval]) -> ModelAnswer:
    """The model in words."""
    return ModelAnswer(
        model_hash=model.model_hash.hex(), name=model.name, horizon=months(model.horizon_months, "en"),
        horizon_months=model.horizon_months, currency=model.currency, base_points=model.base_points,
        bands=[
            BandAnswer(name=name, points_from=low if more else None, missed=words)
            for name, low, words, more in bands(model)
        ],
        characteristics=[
            CharacteristicAnswer(
                name=one.name, looks_at=[FEATURES[name].text[0] for name in one.features], least=min(one.points),
                most=max(one.points),
            )
            for one in model.characteristics
        ],
        bins=[BinAnswer(characteristic=name, bin=words, points=points) for name, words, points in bins(model)],
        card=[CardLine(what=what, words=words) for what, words in card_lines(model.card)],
        proposals=[ModelApproval.of(one) for one in proposals],
    )  # fmt: skip


def monitored(context: Context, digits: str, last: int) -> tuple[Scorecard, Monitored]:
    """What the log says of a model."""
    with context.connect("operations") as conn:
        model, _ = found(conn, digits)
        seen = watch(conn, model, last=last, today=today(), most=MOST_USERS, times=BOOTSTRAPS)
    return model, seen


def monitoring(model: Scorecard, seen: Monitored) -> MonitoringAnswer:
    """The same for a machine."""
    reviews = [
        WatchedAnswer(
            review_id=one.review.review_id, as_of=one.review.as_of, users=one.users, expected=round(one.expected, 6),
            stability=_drift(one.drift.as_dict()) if one.drift else None, bands=one.bands,
        )
        for one in seen.reviews
    ]  # fmt: skip
    became = _became(seen)
    states = [one.stability.state for one in reviews[:1] if one.stability]
    states += [one.state for one in became.measures] if became else []
    return MonitoringAnswer(
        model_hash=model.model_hash.hex(), trouble=seen.trouble, alerts=states.count("alert"), reviews=reviews,
        became=became,
    )  # fmt: skip


def _drift(one: dict[str, Any]) -> DriftAnswer:
    return DriftAnswer.model_validate(one)


def _became(seen: Monitored) -> BecameAnswer | None:
    one = seen.became
    if one is None:
        return None
    figures = one.figures.as_dict()
    users, intervals = figures.pop("users"), figures.pop("intervals")
    parts = [(name, part.as_dict()) for name, part in one.calibration.items()]
    return BecameAnswer(
        review_id=one.review.review_id, as_of=one.review.as_of, until=one.until, scored=one.scored, known=users,
        figures=figures, intervals=intervals,
        calibration=[
            PartAnswer(
                part=name, users=part["users"], expected=part["expected"], missed=part["rate"],
                missed_low=part["intervals"]["rate"][0], missed_high=part["intervals"]["rate"][1],
            )
            for name, part in parts
        ],
        measures=[_drift(measure.as_dict()) for measure in one.drifts],
    )  # fmt: skip
