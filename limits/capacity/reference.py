"""One series by statsmodels: the local level model that any faster engine must agree with, and exponential smoothing.

The local level model (Harvey 1989, "Forecasting, Structural Time Series Models and the Kalman Filter", 2.3):

    y_t = level_t + e_t,  e ~ N(0, s (1 - r))        level_t+1 = level_t + u_t,  u ~ N(0, s r)

with an exact diffuse start, the scale s concentrated out, and the share r of the level's
variance in [0, 1] found on a grid that is then refined around its best points. The
likelihood can have two modes, and an optimiser that starts at one of them may stay there.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.statespace.structural import UnobservedComponents

Float = NDArray[np.float64]

#: Where the likelihood is looked at first; finer near 0, where most users lie.
GRID: tuple[float, ...] = (0.0, 0.002, 0.01, 0.03, 0.08, 0.16, 0.28, 0.45, 0.65, 0.85, 1.0)

#: Grid points whose neighbourhood is searched.
REFINED = 2


@dataclass(frozen=True)
class LocalLevel:
    """A fitted model: level at the last month with its variance, both noises, and the likelihood."""

    level: float
    level_variance: float
    irregular_variance: float  # s (1 - r)
    step_variance: float  # s r
    share: float  # r
    loglik: float
    converged: bool

    def mean_over_horizon(self, horizon: int) -> tuple[float, float]:
        """Mean and variance of the average of the next ``horizon`` observations.

        The steps of the level are shared by all later months, so the variance is that of
        the joint distribution and not a sum of independent ones: step k months before the
        end of the horizon moves k of its h months, which adds s r (k/h)^2 for k = 1..h.
        """
        h = horizon
        steps = self.step_variance * (h + 1) * (2 * h + 1) / (6 * h)
        return self.level, self.level_variance + steps + self.irregular_variance / h


def concentrated_loglik(series: Float, share: float) -> float:
    """Exact diffuse log-likelihood at a share r, the scale concentrated out."""
    return _loglik(_model(series), share)


def fit_local_level(series: Float) -> LocalLevel:
    """Fit one series (m,) with NaN where not observed: at least three values, not all equal.

    The series should be scaled to a mean near 1: on raw cents the filter loses digits.
    """
    model = _model(series)
    values = [_loglik(model, share) for share in GRID]
    best, best_value = GRID[int(np.argmax(values))], max(values)
    converged = math.isfinite(best_value)
    for place in sorted(range(len(GRID)), key=lambda k: -values[k])[:REFINED]:
        bounds = GRID[max(place - 1, 0)], GRID[min(place + 1, len(GRID) - 1)]
        found = minimize_scalar(
            lambda share: -_loglik(model, share), bounds=bounds, method="bounded", options={"xatol": 1e-7}
        )
        if bool(found.success) and -float(found.fun) > best_value:
            best, best_value = float(found.x), -float(found.fun)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels warns where it divides by a zero variance
        result = model.filter([1 - best, best]).filter_results
    scale = float(np.atleast_1d(result.scale)[0])
    level, variance = float(result.filtered_state[0, -1]), float(result.filtered_state_cov[0, 0, -1])
    numbers = (scale, level, variance, best_value)
    converged = converged and all(map(math.isfinite, numbers)) and variance >= 0 and scale >= 0
    return LocalLevel(level, variance, scale * (1 - best), scale * best, best, best_value, converged)


def smooth_exponentially(series: Float, horizon: int) -> tuple[float, float]:
    """Mean and variance of the average of the next ``horizon`` values by ETS(A,N,N), parameters by likelihood.

    The model knows no gaps: ``series`` (m,) holds at least three values and no NaN. An error
    k months before the end of the horizon also moves, by the smoothing share a, the k - 1
    months after it: it counts 1 + a (k - 1) in the sum.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels warns where the optimum lies on the border a = 0 or 1
        fit = ETSModel(series, error="add", trend=None, seasonal=None).fit(disp=False)
    counts = 1.0 + float(fit.smoothing_level) * np.arange(horizon)
    variance = float(fit.scale) * float(np.square(counts).sum()) / horizon**2
    return float(np.asarray(fit.forecast(1))[0]), variance


def _model(series: Float) -> Any:
    model = UnobservedComponents(series, level="local level", use_exact_diffuse=True)
    model.ssm.filter_concentrated = True
    return model


def _loglik(model: Any, share: float) -> float:
    """The model's matrices are set directly: going through its parameters costs five times as much."""
    model.ssm["obs_cov", 0, 0] = 1 - share
    model.ssm["state_cov", 0, 0] = share
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = float(model.ssm.loglike())
    return value if math.isfinite(value) else -math.inf
