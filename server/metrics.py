"""Counts and compute times of one stream: written by its engine, read by anyone, never reset behind a reader's back."""

import numpy as np

WINDOW = 4096  # hops kept for the percentiles: a minute at 16 ms
PERCENTILES = (50.0, 95.0, 99.0, 99.9, 100.0)
NAMES = ("p50", "p95", "p99", "p99.9", "max")


class Metrics:
    """Compute time per hop, and what went wrong, by name."""

    def __init__(self, budget_us: float) -> None:
        self.budget_us = budget_us
        self.first_us = 0.0
        self.hops = 0
        self.over_budget = 0
        self.lost_samples = 0
        self.stale_samples = 0
        self.restarts = 0
        self._times = np.zeros(WINDOW, np.float32)

    def hop(self, microseconds: float) -> None:
        """Record one hop's compute time. The first is kept apart: it meets cold caches."""
        if self.hops == 0:
            self.first_us = microseconds
        else:
            self._times[(self.hops - 1) % WINDOW] = microseconds
        self.hops += 1
        self.over_budget += microseconds > self.budget_us

    def summary(self) -> dict[str, float]:
        """Return counts, percentiles in microseconds and the median's share of the budget."""
        times = self._times[: max(0, min(self.hops - 1, WINDOW))]
        row: dict[str, float] = {
            "hops": self.hops, "over_budget": self.over_budget, "lost_samples": self.lost_samples,
            "stale_samples": self.stale_samples, "restarts": self.restarts,
            "first_us": round(self.first_us, 1), "budget_us": round(self.budget_us, 1),
        }  # fmt: skip
        if times.size:
            values = np.percentile(times, PERCENTILES)
            row |= {f"{name}_us": round(float(v), 1) for name, v in zip(NAMES, values, strict=True)}
            row["load"] = round(float(values[0]) / self.budget_us, 4)
        return row
