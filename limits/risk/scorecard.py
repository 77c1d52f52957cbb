"""The scorecard as a file: JSON, known by the sha256 of its text, checked before anybody is scored by it."""

from __future__ import annotations

import hashlib
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from limits.capacity import Capacity
from limits.errors import InputError
from limits.portfolio import Int, Portfolio
from limits.risk.features import FEATURES, read_features
from limits.risk.names import Real
from limits.risk.result import ALL_PPM, Risk

if TYPE_CHECKING:
    from limits.risk.scoring import Plan

#: Users scored at a time, so that their features stay near the processor; changes no result.
BLOCK_USERS = 8_192

Points = Annotated[int, Field(ge=-100_000, le=100_000)]
#: Where a table or a band begins: far beyond any sum of points, and no difference of two leaves int64.
Sum = Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
Edges = Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(strict=False, max_length=100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Characteristic(_Part):
    """Points for the bin of one feature, or of two that are read together.

    A feature with edges e has len(e) + 2 bins: below the first edge, from each edge on, and last not known. points:
    one number for each bin, of two features for each pair of bins, the first feature's bin counting slower.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    features: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=2)]
    edges: Annotated[tuple[Edges, ...], Field(strict=False, min_length=1, max_length=2)]
    points: Annotated[tuple[Points, ...], Field(strict=False, min_length=2)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if unknown := sorted(set(self.features) - set(FEATURES)):
            raise ValueError(f"{self.name}: no feature is called {unknown[0]!r}; there is {', '.join(FEATURES)}")
        if len(self.edges) != len(self.features):
            raise ValueError(f"{self.name}: {len(self.features)} features need as many lists of edges")
        if any(low >= high for edges in self.edges for low, high in pairwise(edges)):
            raise ValueError(f"{self.name}: edges must rise")
        bins = int(np.prod([len(edges) + 2 for edges in self.edges]))
        if len(self.points) != bins:
            raise ValueError(f"{self.name}: {len(self.points)} points for {bins} bins")
        if len(set(self.features)) < len(self.features):
            raise ValueError(f"{self.name}: reads {self.features[0]} twice; read it once")
        self._one_way()
        return self

    def _one_way(self) -> None:
        """Points go with the direction of each feature, whatever else is known: a file may come from anywhere."""
        table = np.array(self.points).reshape([len(edges) + 2 for edges in self.edges])
        for axis, name in enumerate(self.features):
            steps = np.diff(np.moveaxis(table, axis, 0)[:-1], axis=0)  # the last bin is of what is not known
            worse = FEATURES[name].worse
            if (worse == "more" and (steps > 0).any()) or (worse == "less" and (steps < 0).any()):
                raise ValueError(f"{self.name}: {worse} of {name} must not give more points")

    def bins(self, features: dict[str, Real]) -> Int:
        """The bin of each user (n,), a place in ``points``."""
        place = np.zeros(len(features[self.features[0]]), dtype=np.int64)
        for name, edges in zip(self.features, self.edges, strict=True):
            values = features[name]
            one = np.searchsorted(np.array(edges, dtype=np.float64), values, side="right")
            place = place * (len(edges) + 2) + np.where(np.isnan(values), len(edges) + 1, one)
        return place


class Band(_Part):
    """Users from so many points on, down from the band before it."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,7}$")]
    points_from: Sum


class Scorecard(_Part):
    """One model file. ``body`` is its text, ``model_hash`` the sha256 of that text.

    base_points                points at even chance of the base odds: what everybody starts from
    points_from, probability_ppm
                               probability_ppm[k] is the probability at points_from + k points, in parts per
                               million; fewer or more points are as the first or the last. It never grows.
    bands                      the best first, points_from falling; the last holds everybody below
    card                       what the model was made of and how good it is: nothing here is read in scoring
    """

    format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    horizon_months: Annotated[int, Field(ge=1, le=24)]
    base_points: Points
    characteristics: Annotated[tuple[Characteristic, ...], Field(strict=False, min_length=1, max_length=64)]
    points_from: Sum
    probability_ppm: Annotated[
        tuple[Annotated[int, Field(ge=0, le=ALL_PPM)], ...], Field(strict=False, min_length=1, max_length=100_000)
    ]
    bands: Annotated[tuple[Band, ...], Field(strict=False, min_length=1, max_length=26)]
    card: dict[str, Any]
    body: Annotated[str, Field(exclude=True, repr=False)] = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for what, names in (("characteristic", self.characteristics), ("band", self.bands)):
            called = [one.name for one in names]
            if len(set(called)) < len(called):
                raise ValueError(f"two {what}s have one name")
        if any(later > before for before, later in pairwise(self.probability_ppm)):
            raise ValueError("probability_ppm must never grow with the points")
        if any(later.points_from >= before.points_from for before, later in pairwise(self.bands)):
            raise ValueError("points_from of the bands must fall")
        population = self.card.get("population", {})
        if not isinstance(population, dict) or not _is_currency(population.get("currency")):
            raise ValueError("the currency of the card's population must be three capital letters, or left out")
        return self

    @property
    def model_hash(self) -> bytes:
        """sha256 of the file's text: the name by which the log knows the model."""
        return hashlib.sha256(self.body.encode()).digest()

    @property
    def features(self) -> list[str]:
        """The names of what it reads, each once."""
        return list(dict.fromkeys(name for one in self.characteristics for name in one.features))

    @property
    def currency(self) -> str | None:
        """The currency of the amounts that it was made of, as its card says; None where that says nothing."""
        found: str | None = self.card.get("population", {}).get("currency")
        return found

    def score(self, portfolio: Portfolio, capacity: Capacity) -> Risk:
        """The risk of every user of a portfolio."""
        points, plan = np.empty(len(portfolio), dtype=np.int64), self._plan()
        for begin in range(0, len(portfolio), BLOCK_USERS):
            rows = slice(begin, begin + BLOCK_USERS)
            points[rows] = self._points(read_features(portfolio.take(rows), capacity.take(rows), self.features), plan)
        return self._risk(points)

    def score_features(self, features: dict[str, Real]) -> Risk:
        """The risk of users by their features (n,)."""
        return self._risk(self._points(features, self._plan()))

    def _plan(self) -> Plan:
        from limits.risk.scoring import make_plan  # here, for it loads the kernels and not everybody scores

        return make_plan(self.features, [(one.features, one.edges, one.points) for one in self.characteristics])

    def _points(self, features: dict[str, Real], plan: Plan) -> Int:
        from limits.risk.scoring import add_points

        points = np.full(len(features[self.features[0]]), self.base_points, dtype=np.int64)
        add_points(np.stack([features[name] for name in self.features]), plan, points)
        return points

    def _risk(self, points: Int) -> Risk:
        table = np.array(self.probability_ppm, dtype=np.int64)
        probability = table[np.clip(points - self.points_from, 0, len(table) - 1)]
        cuts = np.array([band.points_from for band in self.bands[:-1]], dtype=np.int64)
        band = (points[:, None] < cuts).sum(axis=1, dtype=np.int64)
        return Risk(points, probability, band, tuple(band.name for band in self.bands))


def _is_currency(found: Any) -> bool:
    """Whether a card says it so that it can be held against a policy's, or not at all."""
    return found is None or (isinstance(found, str) and re.fullmatch("[A-Z]{3}", found) is not None)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as it is read, if each key is there once: who reads the file may see the one, and JSON the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def parse_scorecard(text: str, *, file: str) -> Scorecard:
    """The scorecard in a JSON text. InputError names the file and every mistake."""
    try:
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        # Whatever is kept can be shown again: no half characters, no number beyond all floats.
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON: {error}; write a model with limits risk train") from None
    if not isinstance(data, dict) or "body" in data:
        raise InputError(f"{file}: not a scorecard; write one with limits risk train")
    try:
        found = Scorecard.model_validate(data).model_copy(update={"body": text})
        found.model_dump(mode="json", include={"card"})  # as it is shown
        return found
    except ValidationError as error:
        told = [f"{'.'.join(map(str, one['loc'])) or 'model'}: {one['msg']}" for one in error.errors()]
        raise InputError("\n".join(f"{file}: {line}" for line in told)) from None
    except ValueError as error:  # of pydantic, for what is nested too deep to be written again
        raise InputError(f"{file}: card: {error}") from None
