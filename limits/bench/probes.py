"""Measurements that need a process of their own: python -m limits.bench.probes start|memory USERS. Prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

MODELS = ("local_level", "auto")
#: Users forecast at a time where memory is measured in blocks: as many as the estimate of capacity takes.
BLOCK = 65_536


def start() -> dict[str, float]:
    """Processor seconds to import the engine, and for the first forecast of one user by each model."""
    begin = time.process_time()
    from limits.capacity.forecasting import forecast

    seconds = {"import": time.process_time() - begin}
    series = np.random.default_rng(0).normal(3000.0, 300.0, (1, 24))
    for model in MODELS:
        begin = time.process_time()
        forecast(series, 3, model=model)  # type: ignore[arg-type]
        seconds[model] = time.process_time() - begin
    return seconds


def memory(users: int) -> dict[str, float]:
    """Greatest resident memory in GiB: with the series alone, after quantiles in blocks, and all users at once."""
    from limits.capacity.forecasting import forecast

    series = np.random.default_rng(0).normal(3000.0, 300.0, (users, 24))
    found = {"series alone": _peak()}
    kept = np.empty((users, 3))
    for begin in range(0, users, BLOCK):
        one = forecast(series[begin : begin + BLOCK], 3)
        kept[begin : begin + BLOCK] = np.stack([one.quantile_of_mean(q) for q in (0.1, 0.5, 0.9)], axis=1)
    found[f"auto in blocks of {BLOCK:,}"] = _peak()
    for model in MODELS:
        whole = forecast(series, 3, model=model)  # type: ignore[arg-type]
        whole.quantile(0.1)
        found[f"{model}, all at once"] = _peak()
        del whole
    return found


def _peak() -> float:
    """In GiB. On Linux a child's ``ru_maxrss`` begins with the memory of its parent, so that /proc is read there."""
    status = Path("/proc/self/status")
    if status.exists():
        return (
            next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 2**20
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


if __name__ == "__main__":
    print(json.dumps(start() if sys.argv[1] == "start" else memory(int(sys.argv[2]))))
