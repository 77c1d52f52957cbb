"""Measuring the capacity engine: accuracy and speed beside its peers. Reads clocks; no decision depends on it."""
