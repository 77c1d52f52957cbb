"""Why the limit is what it is: a logged decision in words and numbers, its score, and what would lift it."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field

from limits import explanation
from limits.capacity import Method
from limits.console.users.answers import DecisionAnswer, OverrideAnswer
from limits.engine.foreseeing import score_from
from limits.engine.scoring import Score, Scores
from limits.engine.supposing import Evidence, Explained, evidence, explain_from
from limits.errors import InArchive, LimitsError, NotFound, RiskModelError, SnapshotError
from limits.portfolio import UNBOUNDED, UNKNOWN, Portfolio
from limits.reasons import Reason
from limits.settings import Settings
from limits.store import overrides, users
from limits.store.db import Connection
from limits.store.log import LogEntry, reason_code, reason_text
from limits.whatif_text import told


class Fact(BaseModel):
    """One line of an explanation; a line that goes on with the one before has no name."""

    name: str
    text: str


class CeilingAnswer(BaseModel):
    """The highest limit that a rule would accept."""

    reason: str
    text: str
    ceiling_minor: int | None = Field(description="Null where the rule sets no bound.")
    bound: bool = Field(description="Whether it was the lowest, which binds.")
    in_the_way: bool = Field(description="Whether it kept the limit from being higher.")


class LostPoints(BaseModel):
    """Where points of the score went."""

    characteristic: str
    text: str
    points: int


class ScoreAnswer(BaseModel):
    """What the scorecard said of the user when the decision was made."""

    model: str
    model_hash: str
    horizon_months: int
    points: int
    probability_ppm: int = Field(description="Of a missed payment within the horizon, in parts per million.")
    band: str
    lost: list[LostPoints] = Field(description="What each characteristic took, most first.")

    @classmethod
    def of(cls, score: Score, language: str) -> ScoreAnswer:
        """In a language."""
        return cls(
            model=score.model, model_hash=score.model_hash.hex(), horizon_months=score.horizon_months,
            points=score.points, probability_ppm=score.probability_ppm, band=score.band,
            lost=[
                LostPoints(characteristic=one.name, text=one.text(language), points=one.points) for one in score.lost
            ],
        )  # fmt: skip


class Explanation(BaseModel):
    """The newest decision about a user, in full."""

    title: str
    decision: DecisionAnswer
    remark: str = Field(description="What beside the ceilings shaped the outcome; empty where nothing did.")
    floor_minor: int = Field(description="One review does not cut below it.")
    capacity_p10_minor: int
    capacity_p50_minor: int
    capacity_p90_minor: int
    capacity_method: str
    capacity_method_text: str
    months_observed: int
    ceilings: list[CeilingAnswer] = Field(description="The lowest first, which binds; then those without a bound.")
    risk_points: int | None
    risk_probability_ppm: int | None
    score: ScoreAnswer | None = Field(description="Null where nobody was scored, or where that is not known any more.")
    score_unknown: str = Field(description="Why the score is not known any more; empty where it is.")
    overrides: list[OverrideAnswer] = Field(description="Those that the decision went by.")
    policy_pack: str
    policy_effective_on: dt.date
    policy_hash: str
    code_version: str
    input_digest: str
    facts: list[Fact] = Field(description="The whole in words, line by line.")
    erased_on: dt.date | None


class SingleChange(BaseModel):
    """The smallest change of one input alone that would lift the limit."""

    input: str
    set: str = Field(description="The change as a what-if takes it.")
    before: int | None = Field(description="Minor units, a count, basis points, or 1 and 0 for yes and no.")
    after: int
    limit_after_minor: int
    binding: str = Field(description="What would bind then.")


class EndingReason(BaseModel):
    """A reason that ends with time alone."""

    reason: str
    until: dt.date = Field(description="From this day on it bars nothing.")
    limit_after_minor: int
    binding: str


class CounterfactualsAnswer(BaseModel):
    """What would lift the limit, found by the engine itself."""

    user_id: int
    entry_id: int
    currency: str
    exponent: int
    same_as_logged: bool = Field(description="Whether what is known now leads to the decision that was logged.")
    limit_after_minor: int
    reasons: list[str]
    single: list[SingleChange]
    waiting: list[EndingReason]
    texts: list[str] = Field(description="The whole in sentences, for operations.")
    texts_for_user: list[str] = Field(description="The same in words that the user may read.")


class Sentences(BaseModel):
    """Counterfactuals in words, as the page shows them. ``inputs``: of each single one the input and its value."""

    inputs: list[tuple[str, str]]
    now: str
    reasons: list[str]
    title: str
    single: list[str]
    waiting: list[str]


def known_of(conn: Connection, entry: LogEntry, loaded: Portfolio | None) -> Evidence | str:
    """What the decision was made from, as known now; or why that is not known any more. Inside a snapshot.

    ``loaded``: the user as of some day, which is taken where it is that of the decision.
    """
    same_day = loaded is not None and loaded.as_of == entry.as_of and loaded.currency == entry.currency
    try:
        with users.planned_once(conn):
            return evidence(conn, entry, loaded if same_day else None)
    except LimitsError as error:
        return str(error)


def score_of(conn: Connection, settings: Settings, entry: LogEntry, known: Evidence | str) -> Score | str | None:
    """What the scorecard said; None where nobody was scored, a sentence where that is not known any more.

    Where what is known now gives the points that were logged it is read from there, which takes no time; else from
    the snapshot that was decided from.
    """
    if isinstance(known, Evidence):
        if known.model is None:
            return None
        score = score_from(known)
        if score is not None and (score.points, score.probability_ppm) == (
            entry.risk_points, entry.risk_probability_ppm
        ):  # fmt: skip
            return score
    try:
        return Scores(conn, settings.snapshot_store).of(entry)
    except (NotFound, SnapshotError, RiskModelError, InArchive) as error:
        return str(error)


def explanation_of(
    conn: Connection, entry: LogEntry, score: Score | str | None, language: str, erased_on: dt.date | None = None
) -> Explanation:
    """A logged decision in full."""
    lines = [*explanation.facts(entry, language), *(explanation.score_facts(score, language) if score else [])]
    remark = explanation.remark(entry)
    return Explanation(
        title=explanation.title(entry, language), decision=DecisionAnswer.of(entry, language),
        remark=explanation.WORDS[language][remark] if remark else "",
        floor_minor=entry.floor_minor, capacity_p10_minor=entry.capacity_p10_minor,
        capacity_p50_minor=entry.capacity_p50_minor, capacity_p90_minor=entry.capacity_p90_minor,
        capacity_method=Method(entry.capacity_method).name.lower(),
        capacity_method_text=Method(entry.capacity_method).text(language), months_observed=entry.months_observed,
        ceilings=ceilings_of(entry, language), risk_points=entry.risk_points,
        risk_probability_ppm=entry.risk_probability_ppm,
        score=ScoreAnswer.of(score, language) if isinstance(score, Score) else None,
        score_unknown=score if isinstance(score, str) else "",
        overrides=[
            OverrideAnswer.of(one, entry.as_of) for one in overrides.in_force(conn, entry.user_id, entry.as_of)
        ],
        policy_pack=entry.pack, policy_effective_on=entry.policy_effective_on, policy_hash=entry.policy_hash.hex(),
        code_version=entry.code_version, input_digest=entry.input_digest.hex(),
        facts=[Fact(name=name, text=text) for name, text in lines], erased_on=erased_on,
    )  # fmt: skip


def ceilings_of(entry: LogEntry, language: str) -> list[CeilingAnswer]:
    """Every rule with the limit it would accept."""
    listed = [(reason, value) for reason, value in entry.ceilings]
    without: list[tuple[Reason, int | None]] = [(reason, None) for reason in explanation.without_bound(entry)]
    return [
        CeilingAnswer(
            reason=reason_code(reason), text=reason_text(reason, language), ceiling_minor=value,
            bound=reason == entry.binding and value is not None, in_the_way=bool(entry.reason_bits >> reason & 1),
        )
        for reason, value in [*listed, *without]
    ]  # fmt: skip


def counterfactuals_of(entry: LogEntry, known: Evidence, language: str) -> CounterfactualsAnswer:
    """What would lift the limit that the entry set."""
    made = explain_from(known, entry)
    found = made.found
    texts, for_user = (sentences_of(made, entry, language, for_user=one) for one in (False, True))
    return CounterfactualsAnswer(
        user_id=entry.user_id, entry_id=entry.entry_id, currency=entry.currency, exponent=entry.exponent,
        same_as_logged=made.same, limit_after_minor=found.limit_after,
        reasons=[reason_code(reason) for reason in found.reasons],
        single=[
            SingleChange(
                input=one.change.name, set=one.change.text(entry.currency),
                before=None if one.before in (UNKNOWN, UNBOUNDED) else one.before, after=one.after,
                limit_after_minor=one.limit_after, binding=reason_code(one.binding),
            )
            for one in found.single
        ],
        waiting=[
            EndingReason(
                reason=reason_code(one.reason), until=one.until, limit_after_minor=one.limit_after,
                binding=reason_code(one.binding),
            )
            for one in found.waiting
        ],
        texts=_lines(texts), texts_for_user=_lines(for_user),
    )  # fmt: skip


def sentences_of(made: Explained, entry: LogEntry, language: str, *, for_user: bool) -> Sentences:
    """The counterfactuals in words."""
    texts = [one.change.text(entry.currency).partition("=") for one in made.found.single]
    found = told(made.found, entry.currency, entry.exponent, language, for_user=for_user)
    return Sentences(inputs=[(name, value.removesuffix("%")) for name, _, value in texts], **vars(found))


def _lines(text: Sentences) -> list[str]:
    return [text.now, *text.reasons, text.title, *text.single, *text.waiting]
