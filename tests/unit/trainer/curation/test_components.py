"""Connected components are those of a flood fill, and of a walk over a graph."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from webssl_trainer.curation.components import blobs, lowest_connected


def flooded(mask: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Components of a mask, by a stack."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    while left:
        stack, blob = [min(left)], []
        left.remove(stack[0])
        while stack:
            y, x = stack.pop()
            blob.append((y, x))
            for near in [(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]:
                if near in left:
                    left.remove(near)
                    stack.append(near)
        found.append(blob)
    return found


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 12), st.integers(1, 12)),
        elements=st.sampled_from([0.0, 0.4, 0.8]),
    )
)
def test_blobs_are_the_components_of_a_flood_fill(values: NDArray[np.float32]) -> None:
    def facts(blob: list[tuple[int, int]]) -> tuple[float, ...]:
        ys, xs = zip(*blob, strict=True)
        mean = sum(float(values[y, x]) for y, x in blob) / len(blob)
        return (len(blob), max(xs) - min(xs) + 1, max(ys) - min(ys) + 1, round(mean, 5))

    found = blobs(values, 0.3)
    columns = zip(found.area, found.width, found.height, found.mean.round(5), strict=True)
    assert sorted(tuple(map(float, item)) for item in columns) == sorted(
        facts(item) for item in flooded(values > 0.3)
    )


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40)
        )
    )
)
def test_every_node_is_named_by_the_lowest_one_that_it_is_connected_to(
    graph: tuple[int, list[tuple[int, int]]],
) -> None:
    count, edges = graph
    label = list(range(count))
    for _ in range(count):
        for a, b in edges:
            label[a] = label[b] = min(label[a], label[b])
    left, right = (np.array([edge[side] for edge in edges], dtype=np.int64) for side in (0, 1))
    assert lowest_connected(count, left, right).tolist() == label


def test_a_long_chain_in_a_bad_order_is_one_component() -> None:
    order = np.random.default_rng(0).permutation(5000)
    assert not lowest_connected(5000, order[:-1], order[1:]).any()
