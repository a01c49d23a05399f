"""Counts and percentiles of a stream's compute time."""

import pytest

from server.metrics import NAMES, WINDOW, Metrics


def test_a_stream_that_ran_nothing_has_counts_and_no_percentiles():
    summary = Metrics(2000.0).summary()
    assert summary["hops"] == 0
    assert not {f"{name}_us" for name in NAMES} & set(summary)


def test_the_first_hop_is_kept_apart_from_the_percentiles():
    metrics = Metrics(1000.0)
    metrics.hop(900_000.0)
    for microseconds in range(1, 102):
        metrics.hop(float(microseconds))
    summary = metrics.summary()
    assert summary["first_us"] == 900_000.0
    assert (summary["p50_us"], summary["p95_us"], summary["max_us"]) == (51.0, 96.0, 101.0)
    assert summary["load"] == pytest.approx(0.051)


def test_a_hop_over_the_budget_is_counted():
    metrics = Metrics(100.0)
    for microseconds in (99.0, 100.0, 100.1, 5000.0):
        metrics.hop(microseconds)
    assert metrics.summary()["over_budget"] == 2


def test_only_the_newest_hops_count_for_the_percentiles():
    metrics = Metrics(100.0)
    for _ in range(10):
        metrics.hop(9999.0)
    for _ in range(WINDOW):
        metrics.hop(5.0)
    summary = metrics.summary()
    assert summary["max_us"] == 5.0
    assert summary["hops"] == WINDOW + 10
