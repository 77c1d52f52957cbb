"""CPU time of scoring: the points and probabilities of many users, from the portfolio's columns on."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from limits.capacity import estimate_capacity
from limits.risk import Scorecard, read_features
from limits.samples import uci

#: Runs, of which the median counts, and users that are scored alone for comparison.
RUNS, ALONE = 3, 200


@dataclass(frozen=True, slots=True)
class RiskSpeed:
    """Seconds of CPU. same_alone: users scored alone whose points, probability and band are those in the crowd."""

    users: int
    characteristics: int
    features_seconds: float
    seconds: float
    alone: int
    same_alone: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """For people."""
        return [
            ("characteristics", str(self.characteristics)),
            ("scoring, features included", f"{self.seconds:.3f} s"),
            ("of it features", f"{self.features_seconds:.3f} s"),
            ("a user", f"{1e9 * self.seconds / self.users:,.0f} ns"),
            ("users scored alone, and the same", f"{self.same_alone} of {self.alone}"),
            ("sha256 of all points", self.sha256),
        ]


def measure(scorecard: Scorecard, users: int) -> RiskSpeed:
    """Users drawn from the shipped clients with replacement, by a fixed seed."""
    sample = uci.read()
    capacity = estimate_capacity(sample.portfolio.cash_flow)
    rows = np.random.default_rng(0).integers(0, len(sample), users)
    portfolio, crowd = sample.portfolio.take(rows), capacity.take(rows)
    names = list(dict.fromkeys(name for one in scorecard.characteristics for name in one.features))
    read = _median(lambda: _in_blocks(portfolio, crowd, names))
    seconds = _median(lambda: scorecard.score(portfolio, crowd))
    risk = scorecard.score(portfolio, crowd)
    same = 0
    for row in range(min(ALONE, users)):
        one = scorecard.score(portfolio.take([row]), crowd.take([row]))
        same += all(getattr(one, name)[0] == getattr(risk, name)[row] for name in ("points", "probability_ppm", "band"))
    digest = hashlib.sha256(risk.points.astype("<i8").tobytes()).hexdigest()
    return RiskSpeed(users, len(scorecard.characteristics), read, seconds, min(ALONE, users), same, digest)


def _in_blocks(portfolio: Any, capacity: Any, names: list[str]) -> None:
    """As scoring reads them."""
    from limits.risk.scorecard import BLOCK_USERS

    for begin in range(0, len(portfolio), BLOCK_USERS):
        rows = slice(begin, begin + BLOCK_USERS)
        read_features(portfolio.take(rows), capacity.take(rows), names)


def _median(run: Any) -> float:
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return float(np.median(times))
