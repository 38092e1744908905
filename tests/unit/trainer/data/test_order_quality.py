"""How good the order is beside a full shuffle: uniformity, serial dependence, mixing of classes, and its reads.

Draws are fixed, so these tests decide the same way each time; bounds are those of chance (4 to 5 standard errors).
"""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from webssl_trainer.data.index_table import TableIndex
from webssl_trainer.data.mixture import CYCLE, MixtureOrder, source_seed
from webssl_trainer.data.order import Order
from webssl_trainer.data.read_ranges import (
    LARGEST,
    SMALLEST,
    suited,
    suited_neighbours,
    window_positions,
    window_reads,
)
from webssl_trainer.data.samples import Part, ShardSample
from webssl_trainer.data.shards import Shard

LARGE = 2_000_000_000
SAMPLE = 100_000


def chi_square_bound(freedom: int) -> float:
    return freedom + 5 * float(np.sqrt(2 * freedom))


def chi_square(counts: np.ndarray) -> float:
    expected = counts.mean()
    return float(((counts - expected) ** 2 / expected).sum())


def full(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(size)


@pytest.mark.parametrize("seed", range(4))
def test_the_blocks_of_a_window_lie_anywhere_in_two_billion_samples(seed: int) -> None:
    order = suited(seed, LARGE, SAMPLE)
    used = order.samples_at(np.arange(order.block * order.window))
    used = np.sort(used)
    firsts = used[np.flatnonzero(np.diff(used, prepend=-2) != 1)]  # of the runs of neighbours
    assert 2000 < firsts.size <= 2049
    assert chi_square(np.bincount(firsts * 64 // LARGE, minlength=64)) < chi_square_bound(63)


@pytest.mark.parametrize("seed", range(4))
def test_a_sample_is_as_likely_at_any_place_of_the_epoch(seed: int) -> None:
    size = 1_000_000
    places = np.empty(size, dtype=np.int64)
    places[Order(seed, size, 4, 1024).samples_at(np.arange(size))] = np.arange(size)
    # Where the neighbours in a shard end up: 64 stretches of the data by 16 stretches of the epoch.
    table = np.bincount(np.repeat(np.arange(64), size // 64) * 16 + places // (size // 16), minlength=1024)
    assert chi_square(table.astype(float)) / 4 < chi_square_bound(1023)  # blocks of 4 move together


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lag", [1, 2, 7, 64, 1000])
def test_runs_of_neighbours_are_uncorrelated_at_a_lag_and_lie_anywhere(seed: int, lag: int) -> None:
    order = suited(seed, LARGE, SAMPLE, 16)
    runs = order.samples_at(np.arange(0, 16 * 12_000, 16))
    first, second = runs[:-lag].astype(np.float64), runs[lag:].astype(np.float64)
    # Two runs of one block, of which there are six, meet with probability 1 / window.
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(runs.size) + 2 / order.window
    # The runs of a block move together.
    assert chi_square(np.bincount(runs * 64 // LARGE, minlength=64)) / 6 < chi_square_bound(63)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lag", [1, 2, 7, 64, 1000])
def test_samples_at_a_lag_are_uncorrelated_as_in_a_full_shuffle(seed: int, lag: int) -> None:
    order = suited(seed, LARGE, SAMPLE)
    used = order.samples_at(np.arange(200_000)).astype(np.float64)
    for sequence in (used, full(seed, 200_000).astype(np.float64)):
        # Two samples of one block meet with probability 1 / window, and are then alike.
        assert (
            abs(np.corrcoef(sequence[:-lag], sequence[lag:])[0, 1]) < 5 / np.sqrt(200_000) + 2 / order.window
        )


@pytest.mark.parametrize("seed", range(4))
def test_rises_are_as_many_as_in_a_full_shuffle(seed: int) -> None:
    used = suited(seed, LARGE, SAMPLE).samples_at(np.arange(100_000))
    n = used.size
    for sequence in (used, full(seed, n)):
        rises = int((np.diff(sequence) > 0).sum())
        assert abs(rises - (n - 1) / 2) < 5 * np.sqrt((n + 1) / 12)


def distinct(labels: np.ndarray, batch: int) -> float:
    return float(np.mean([np.unique(row).size for row in labels.reshape(-1, batch)]))


@pytest.mark.parametrize(("classes", "at_least"), [(20, 0.999), (200, 0.99), (1000, 0.78), (5000, 0.55)])
def test_batches_of_class_sorted_data_hold_most_of_the_classes_of_a_full_shuffle(
    classes: int, at_least: float
) -> None:
    # A window has 2,048 blocks, so of 1,000 classes that lie one after the other it meets 87 %.
    order, batch = suited(1, LARGE, SAMPLE), 3072
    ours = distinct(order.samples_at(np.arange(30 * batch)) * classes // LARGE, batch)
    shuffled = np.random.default_rng(1).integers(0, classes, 30 * batch)
    assert ours > at_least * distinct(shuffled, batch)


@pytest.mark.parametrize(("neighbours", "at_least"), [(4, 0.95), (16, 0.6)])
def test_neighbours_cost_batches_of_class_sorted_data_some_of_their_classes(
    neighbours: int, at_least: float
) -> None:
    order, batch, classes = suited(1, LARGE, SAMPLE, neighbours), 3072, 200
    ours = distinct(order.samples_at(np.arange(30 * batch)) * classes // LARGE, batch)
    places = batch // neighbours  # as independent draws of so many places would have
    assert ours == pytest.approx(classes * (1 - (1 - 1 / classes) ** places), rel=0.03)
    assert ours > at_least * classes


@pytest.mark.parametrize(
    ("kilobytes", "seen", "batch", "neighbours"),
    [
        (55, 1.0, None, 16),
        (55, 1.0, 3072, 16),
        (55, 1.0, 512, 8),  # 64 places
        (55, 1.0, 32, 1),
        (100, 1.0, None, 8),
        (500, 1.0, None, 2),
        (2000, 1.0, None, 1),
        (20, 0.5, None, 16),  # a request brings the gaps, too
        (100, 0.503, None, 1),  # gaps longer than a request bridges
        (55, 0.013, None, 1),
    ],
)
def test_neighbours_are_what_a_request_of_a_mebibyte_brings(
    kilobytes: int, seen: float, batch: int | None, neighbours: int
) -> None:
    samples = 10**8
    assert suited_neighbours(samples * kilobytes * 1000, samples, int(seen * samples), batch) == neighbours


def test_small_data_are_mixed_sample_by_sample() -> None:
    assert suited_neighbours(1 << 30, 20_000, 20_000, None) == 1
    assert suited_neighbours((1 << 30) + 1, 20_000, 20_000, None) == 16


@pytest.mark.parametrize("neighbours", [1, 2, 16])
def test_blocks_hold_whole_runs_and_stay_as_long(neighbours: int) -> None:
    order = suited(0, 10**7, SAMPLE, neighbours)
    assert order.block % neighbours == 0
    assert abs(order.block - 94) <= neighbours / 2


def test_a_mixture_is_as_unordered_as_its_sources() -> None:
    orders = tuple(suited(source_seed(3, at), 10**6, SAMPLE) for at in range(3))
    source, _ = MixtureOrder(3, orders, (0.5, 0.3, 0.2)).sources_at(np.arange(CYCLE))
    first = (source == 0).astype(np.float64)
    for lag in (1, 2, 3, 8, 256):
        assert abs(np.corrcoef(first[:-lag], first[lag:])[0, 1]) < 5 / np.sqrt(CYCLE)


@pytest.mark.parametrize(("stride", "block"), [(100_000, 94), (1_000, 4096), (3_000_000, 3), (1e9, 1)])
def test_blocks_are_about_nine_megabytes_whatever_a_sample_has(stride: float, block: int) -> None:
    order = suited(0, 10**7, stride)
    assert order.block == block
    assert order.window >= 2048
    assert order.block * order.window >= 16_384


def index_of(shards: int, per_shard: int) -> TableIndex:
    samples = [
        ShardSample(f"{at}", Part("jpg", 512 + at * SAMPLE, SAMPLE - 1024), ()) for at in range(per_shard)
    ]
    urls = [Shard(f"s3://{uuid.uuid4().hex}/{at:05d}.tar", per_shard * SAMPLE) for at in range(shards)]
    return TableIndex.of(urls, [samples] * shards)


def test_a_window_is_read_in_sequential_ranges_of_eight_to_sixteen_megabytes() -> None:
    index = index_of(20, 2000)
    order = Order(5, len(index), suited(5, len(index), SAMPLE).block, 32)
    reads = window_reads(order, index, 10_000)
    lengths = np.array([read.end - read.start for read in reads])
    assert lengths.max() <= LARGEST
    # Blocks that neighbours, the rotation or the end of a shard cut give a few short ones.
    assert np.mean(lengths >= SMALLEST) > 0.6
    assert lengths.mean() > SMALLEST * 0.8
    positions = window_positions(order, 10_000)
    assert positions.start <= 10_000 < positions.stop
    wanted = index.locate_all(order.samples_at(np.arange(positions.start, positions.stop)).tolist())
    by_shard: dict[str, list[tuple[int, int]]] = {}
    for read in reads:
        by_shard.setdefault(read.url, []).append((read.start, read.end))
    assert all(
        any(a <= ref.offset and ref.offset + ref.length <= b for a, b in by_shard[ref.shard])
        for ref in wanted
    )
    assert lengths.sum() < 1.05 * sum(ref.length + 1024 for ref in wanted)


@pytest.mark.parametrize("size", [1, 5, 1000, 12_345])
def test_windows_are_the_positions_that_share_blocks_and_cover_every_epoch(size: int) -> None:
    order, at, found = Order(1, size, 7, 13), 0, []
    while at < 3 * size:
        window = window_positions(order, at)
        assert window.start == at
        assert window == window_positions(order, window.stop - 1)
        found.append(window)
        at = window.stop
    assert at == 3 * size
    inner = [set(order.samples_at(np.arange(w.start, w.stop)).tolist()) for w in found]
    assert [len(samples) for samples in inner] == [len(window) for window in found]
