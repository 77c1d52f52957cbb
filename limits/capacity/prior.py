"""What is usual in a portfolio, known before the months of any user are seen."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri


@dataclass(frozen=True, slots=True)
class Prior:
    """What is usual, before the user's own months are seen.

    The defaults of decline, strength, power, own, share, skew, reach, lumps and calm were fitted by
    ``make fit-prior`` on the 343 Berka borrowers and the 20,000 UCI card clients, and rounded;
    temper, most, months, floor, before_step and fence are fixed there. docs/capacity.md says how, and how
    the forecasts do on users that the fit did not see.

    typical_amount   amount of a usual month in the portfolio, in the unit of the series:
                     gives an all-zero history a width. 0 if not known
    decline          log prior weight of each next ratio of the list (after the second)
    temper           power of the likelihood
    strength, power, most
                     the points weigh strength / (strength + n ** power), never more than ``most``;
                     n is the effective number of months, 1 / sum(weight ** 2)
    own              width of the points per mean absolute deviation of the user's months ...
    share, months    ... plus a part of the mean amount, share * (months / (months + n)) ** 2
    skew             shape of the points: (exp(skew * z) - 1) / skew, z normal scores
    floor            least standard deviation of a month, in the part of the mean amount above:
                     a history without change gives no certainty
    before_step      factor on the weight of months before a step
    fence            amounts beyond this many absolute deviations do not move the likelihood further
    reach, lumps     what of a month lies beyond ``reach`` mean absolute deviations from the median counts
                     by 1 / (1 + (lumps / observed months) ** 4)
    calm             noise of the mean of h months has h ** -calm the variance of one month's; 1 if months
                     were independent, more where a high month is often followed by a low one
    """

    typical_amount: float = 0.0
    decline: float = -0.95
    temper: float = 0.25
    strength: float = 9.19
    power: float = 1.92
    most: float = 0.5
    own: float = 2.09
    share: float = 2.21
    months: float = 6.0
    skew: float = 0.2
    floor: float = 0.005
    before_step: float = 0.15
    fence: float = 6.0
    reach: float = 2.25
    lumps: float = 8.62
    calm: float = 1.22

    def points(self, count: int) -> NDArray[np.float64]:
        """So many points in units of the width, ascending, shape (count,)."""
        z = ndtri((np.arange(count) + 0.5) / count)
        shape = np.expm1(self.skew * z) / self.skew if self.skew else z
        return np.asarray(shape)


def parameters() -> str:
    """The model and its parameters as text, one a line: the log names them by their sha256.

    What stands in the code beside them is named by the version of the code.
    """
    prior = Prior()
    return "pooled local level 1\n" + "".join(f"{one.name} {getattr(prior, one.name)!r}\n" for one in fields(prior))
