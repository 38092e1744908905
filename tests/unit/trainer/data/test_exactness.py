"""The property that all of the data plane serves: one global sequence, whoever reads it and wherever one starts.

Here over the pure order: the same samples at the same positions for any number of processes and any start, with
any set of broken samples, with filters and with mixtures. `test_loader.py` shows it of the loader itself.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.data.assemble import STAND_IN_TRIES, stand_in
from webssl_trainer.data.mixture import MixtureOrder, source_seed
from webssl_trainer.data.order import Order, SampleOrder
from webssl_trainer.data.plan import BatchPlan, micro_batch_size, micro_batches, rank_positions
from webssl_trainer.data.selection import Selection

GLOBAL = 24
WORLDS = (1, 2, 3, 4, 8)
NO_SAMPLE = -1


class Data:
    """Sources of a run: sizes, chosen samples, weights; and the samples that are broken."""

    def __init__(
        self,
        seed: int,
        chosen: list[list[int] | None],
        sizes: list[int],
        weights: list[float],
        neighbours: int = 1,
    ) -> None:
        self.selections = [
            Selection.of(size, [np.arange(size) if some is None else np.array(some, dtype=np.int64)])
            for some, size in zip(chosen, sizes, strict=True)
        ]
        self.starts = np.cumsum([0, *sizes])
        counts = [len(selection) for selection in self.selections]
        block = 3 * neighbours
        self.order: SampleOrder = Order(seed, counts[0], block, 4, neighbours)
        if len(sizes) > 1:
            orders = tuple(
                Order(source_seed(seed, at), count, block, 4, neighbours) for at, count in enumerate(counts)
            )
            self.order = MixtureOrder(seed, orders, tuple(weights))

    def samples(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers in the order's count -> numbers in the shards of all sources."""
        ends = np.cumsum([len(selection) for selection in self.selections])
        part = np.searchsorted(ends, numbers, side="right")
        out = np.empty(numbers.size, dtype=np.int64)
        for number, selection in enumerate(self.selections):
            mine = part == number
            out[mine] = self.starts[number] + selection.numbers_at(
                numbers[mine] - (ends[number] - len(selection))
            )
        return out

    def filled(self, positions: range, broken: frozenset[int]) -> list[int]:
        """Samples that positions get, stand-ins included; NO_SAMPLE where all stand-ins are broken too."""
        found = self.samples(self.order.samples_at(np.arange(positions.start, positions.stop))).tolist()
        for at, position in enumerate(positions):
            first, count = self.order.pool_of(position)
            for attempt in range(STAND_IN_TRIES):
                if found[at] not in broken:
                    break
                number = first + stand_in(3, position, attempt, count)
                found[at] = int(self.samples(np.array([number]))[0])
            found[at] = NO_SAMPLE if found[at] in broken else found[at]
        return found


@st.composite
def data_sets(draw: st.DrawFn) -> Data:
    sizes = draw(st.lists(st.integers(1, 60), min_size=1, max_size=3))
    chosen = [
        draw(st.none() | st.lists(st.integers(0, size - 1), min_size=1, unique=True).map(sorted))
        for size in sizes
    ]
    weights = [draw(st.floats(0.01, 10)) for _ in sizes]
    neighbours = draw(st.sampled_from([1, 2, 4]))
    return Data(draw(st.integers(0, 2**64 - 1)), chosen, sizes, weights, neighbours)


def read_by(data: Data, world: int, first: int, steps: int, group: int, broken: frozenset[int]) -> list[int]:
    """What all processes together read, put in the order of the positions."""
    plan = BatchPlan(global_batch=GLOBAL * group, group_size=group, micro_batch=2 * group)
    rows: list[tuple[int, int]] = []
    for step in range(steps):
        for rank in reversed(range(world)):
            mine = rank_positions(first + step * plan.global_batch, rank, world, plan)
            for batch in micro_batches(mine, micro_batch_size(world, plan)):
                rows.extend(zip(batch, data.filled(batch, broken), strict=True))
    positions = sorted(rows)
    assert [position for position, _ in positions] == list(range(first, first + steps * plan.global_batch))
    return [sample for _, sample in positions]


@settings(deadline=None, max_examples=20)
@given(
    data=data_sets(),
    group=st.sampled_from([1, 2]),
    worlds=st.lists(st.sampled_from(WORLDS), min_size=2, max_size=3),
    start=st.integers(0, 3),
    broken=st.frozensets(st.integers(0, 180), max_size=40),
)
def test_the_sequence_is_one_for_all_process_counts_starts_broken_samples_filters_and_mixtures(
    data: Data, group: int, worlds: list[int], start: int, broken: frozenset[int]
) -> None:
    unit, steps = GLOBAL * group, 4
    undisturbed = data.filled(range(steps * unit), broken)
    for world in worlds:
        assert read_by(data, world, start * unit, steps - start, group, broken) == undisturbed[start * unit :]
    resized = [
        sample
        for step in range(steps)
        for sample in read_by(data, worlds[step % len(worlds)], step * unit, 1, group, broken)
    ]
    assert resized == undisturbed
    whole = data.filled(range(steps * unit), frozenset())
    assert all(b == a for a, b in zip(whole, undisturbed, strict=True) if a not in broken)


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 2**64 - 1),
    size=st.integers(1, 200),
    share=st.floats(0.01, 1),
    epochs=st.integers(1, 4),
    neighbours=st.sampled_from([1, 4]),
)
def test_each_epoch_of_a_filter_uses_each_chosen_sample_once_and_no_other(
    seed: int, size: int, share: float, epochs: int, neighbours: int
) -> None:
    chosen = [at for at in range(size) if (at * 2654435761) % 1000 < 1000 * share] or [size - 1]
    data = Data(seed, [chosen], [size], [1.0], neighbours)
    n = len(chosen)
    for epoch in range(epochs):
        used = data.filled(range(epoch * n, (epoch + 1) * n), frozenset())
        assert sorted(used) == chosen
        assert set(data.order.epochs_at(np.arange(epoch * n, (epoch + 1) * n)).tolist()) == {epoch}
