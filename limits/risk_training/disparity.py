"""What a scorecard comes to for men and women, by age, education and marriage: for governance, never for a score.

The attributes are no feature and reach nothing that scores. What is told is whether groups are treated alike by what
is scored: the share who are good enough, and whether what is said of each group is true of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from limits.errors import InputError
from limits.portfolio import Int
from limits.risk import Scorecard
from limits.risk.result import ALL_PPM
from limits.risk_training.evaluating import outcome_of, scored
from limits.risk_training.grouping import Measure, draws_of, groups
from limits.risk_training.metrics import Counted, figures
from limits.samples.uci import Sample

#: A group whose share of good users is below this part of the best group's is named. The rule of four fifths: Uniform
#: Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D); lenders use it as a yardstick.
FOUR_FIFTHS = 0.8
#: Groups of fewer users are shown and not judged.
FEWEST = 100

#: As the UCI repository codes them; what it leaves open is "other".
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sex": ("male", "female"),
        "age": ("below 25", "25 to 34", "35 to 44", "45 to 54", "55 to 64", "65 and above"),
        "education": ("graduate school", "university", "high school", "other"),
        "marriage": ("married", "single", "other"),
    }
)
AGES = (25, 35, 45, 55, 65)


@dataclass(frozen=True, slots=True)
class Treated:
    """A group of an attribute.

    expected, observed   mean probability, and the share who missed the payment
    good                 share of users below the probability that was asked about
    ratio                of that to the group with the greatest share
    auc                  how well the score tells users of this group apart; None where all are alike
    """

    attribute: str
    name: str
    users: int
    expected: float
    observed: Measure
    good: Measure
    ratio: float
    auc: float | None

    @property
    def named(self) -> bool:
        """Whether the group falls short of four fifths of the best one."""
        return bool(self.users >= FEWEST and self.ratio < FOUR_FIFTHS)

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "attribute": self.attribute,
            "group": self.name,
            "users": self.users,
            "expected": round(self.expected, 5),
            "observed": round(self.observed.value, 5),
            "observed_interval": self.observed.interval,
            "good": round(self.good.value, 5),
            "good_interval": self.good.interval,
            "ratio": round(self.ratio, 4),
            "auc": None if self.auc is None else round(self.auc, 4),
            "below_four_fifths": self.named,
        }


def disparity(model: Scorecard, sample: Sample, *, below_ppm: int, draws: int, seed: int) -> list[Treated]:
    """Every group of every attribute. InputError where the file does not say the attributes or the outcomes."""
    if sample.protected is None:
        raise InputError("the file has no columns SEX, EDUCATION, MARRIAGE and AGE; a report on them needs all four")
    bad, risk = outcome_of(sample, "the report"), scored(model, sample.portfolio)
    probability, good = risk.probability_ppm / ALL_PPM, risk.probability_ppm < below_ppm
    drawn = draws_of(len(bad), draws, seed)
    found = []
    for attribute, member in members(sample).items():
        names = list(NAMES[attribute])
        missed = groups(names, member, probability, bad, drawn)
        fine = groups(names, member, probability, good, drawn)
        most = max((group.observed.value for group in fine if group.users >= FEWEST), default=0.0)
        for one, other in zip(missed, fine, strict=True):
            mine = member == names.index(one.name)
            share = other.observed
            counted = Counted.of(risk.points[mine], risk.probability_ppm[mine], bad[mine])
            auc = float(figures(counted)["auc"]) if 0 < bad[mine].sum() < mine.sum() else None
            ratio = float(share.value / most) if most else 1.0
            found.append(Treated(attribute, one.name, one.users, one.expected, one.observed, share, ratio, auc))
    return found


def members(sample: Sample) -> dict[str, Int]:
    """The place in ``NAMES`` of each user's group (n,), by attribute."""
    protected = sample.protected
    assert protected is not None, "the caller has looked"
    last = {name: len(names) - 1 for name, names in NAMES.items()}
    return {
        "sex": protected.sex - 1,
        "age": np.searchsorted(np.array(AGES), protected.age, side="right").astype(np.int64),
        "education": np.where(np.isin(protected.education, (1, 2, 3)), protected.education - 1, last["education"]),
        "marriage": np.where(np.isin(protected.marriage, (1, 2)), protected.marriage - 1, last["marriage"]),
    }
