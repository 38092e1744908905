"""Counts of all processes keep their names through the sum over plain numbers."""

from __future__ import annotations

from prometheus_client import generate_latest
from webssl_trainer.data.loader import LoaderCounters
from webssl_trainer.observe.counts import Counts
from webssl_trainer.observe.metrics import TrainerMetrics
from webssl_trainer.storage import open_storage


def counted() -> Counts:
    loader = LoaderCounters(
        bytes_read=100, bytes_used=60, bytes_cached=40, cache_troubles={"full": 2, "disk": 1}
    )
    return Counts.of(open_storage(), loader, read_again=3)


def test_the_counts_of_a_process_are_named() -> None:
    counts = counted()
    assert counts.data_bytes == {"read": 100, "used": 60, "cached": 40}
    assert counts.cache_troubles == {"full": 2, "damaged": 0, "disk": 1}
    assert counts.retries["read-again"] == 3
    assert set(counts.hedges.values()) == {0}


def test_sums_come_back_under_the_same_names() -> None:
    counts = counted()
    doubled = counts.with_values([2 * count for count in counts.flat()])
    assert doubled.data_bytes == {"read": 200, "used": 120, "cached": 80}
    assert doubled.cache_troubles == {"full": 4, "damaged": 0, "disk": 2}
    assert doubled.retries["read-again"] == 6
    assert counts.with_values(counts.flat()) == counts


def test_metrics_tell_them_and_stand_at_zero_before() -> None:
    metrics = TrainerMetrics()
    assert 'webssl_trainer_data_bytes{kind="cached"} 0.0' in generate_latest(metrics.registry).decode()
    metrics.set_counts(counted())
    told = generate_latest(metrics.registry).decode()
    assert 'webssl_trainer_data_bytes{kind="read"} 100.0' in told
    assert 'webssl_trainer_data_cache_troubles{cause="full"} 2.0' in told
    assert 'webssl_trainer_storage_retries{cause="read-again"} 3.0' in told
