"""Whether a policy speaks of the bands of the scorecard that scores: otherwise a band would be let have anything."""

from __future__ import annotations

from collections.abc import Sequence

from limits.errors import PolicyError
from limits.policy import Policy
from limits.policy_text import line_of


def require_bands(policy: Policy, bands: Sequence[str], *, model: str = "the scorecard", file: str = "") -> None:
    """PolicyError unless [risk] of the policy names exactly these bands, in their order, or has none; with the mend.

    ``file``: of the policy, where it is known, to be named with the line.
    """
    if policy.risk is None or not bands:
        return
    named = [band.name for band in policy.risk.band]
    if named == list(bands):
        return
    missing = [name for name in bands if name not in named]
    unknown = [name for name in named if name not in bands]
    if missing:
        what = f"has no band {missing[0]}, which {model} has; add a [[risk.band]] for it"
    elif unknown:
        what = f"names the band {unknown[0]}, which {model} does not have; remove it"
    else:
        what = f"names the bands in another order than {model} does; put the best first"
    place = len(named) if missing else named.index(unknown[0]) if unknown else 0
    line = line_of(policy.body, ("risk", "band", place))
    where = f"{file}:{line}" if file else f"{policy.pack} of {policy.effective_on}, line {line}"
    raise PolicyError(f"{where}: [risk] {what} (its bands are {', '.join(bands)}), or withdraw the model")
