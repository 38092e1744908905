"""Counter-based draws."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from webssl_trainer.random import Purpose, Stream, bits, bits_torch, uniform, uniform_torch

WORDS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
INDICES = st.lists(WORDS, max_size=3)


@given(seed=WORDS, position=WORDS, purpose=st.sampled_from(Purpose), indices=INDICES)
def test_numpy_torch_and_python_draw_the_same_bits(
    seed: int, position: int, purpose: Purpose, indices: list[int]
) -> None:
    from_numpy = int(bits(seed, position, purpose, *indices, 0))
    tensors = [torch.tensor(index) for index in indices]
    from_torch = int(bits_torch(seed, torch.tensor(position), purpose, *tensors, 0)) % 2**64
    from_python = Stream(seed, position, purpose, *indices).bits()
    assert from_numpy == from_torch == from_python


@given(seed=WORDS, positions=st.lists(WORDS, min_size=1, max_size=5))
def test_an_array_of_positions_draws_what_each_position_draws_alone(seed: int, positions: list[int]) -> None:
    together = uniform(seed, np.array(positions), Purpose.DROP_PATH, 3)
    alone = [float(uniform(seed, position, Purpose.DROP_PATH, 3)) for position in positions]
    assert together.tolist() == alone
    assert uniform_torch(seed, torch.tensor(positions), Purpose.DROP_PATH, 3).tolist() == alone


def test_draws_are_uniform_and_independent_between_neighbours() -> None:
    draws = uniform(0, np.arange(100_000)[:, None], Purpose.BLOCK_MASK, np.arange(2))
    counts, _ = np.histogram(draws[:, 0], bins=20, range=(0, 1))
    assert np.all(np.abs(counts - 5000) < 350)  # five standard deviations
    assert abs(np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]) < 0.016
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.016


def test_purposes_and_seeds_do_not_share_draws() -> None:
    draws = {int(bits(seed, 7, purpose)) for seed in range(100) for purpose in Purpose}
    assert len(draws) == 100 * len(Purpose)


@given(low=st.integers(-50, 50), span=st.integers(0, 50), seed=WORDS)
def test_integers_stay_in_their_closed_range(low: int, span: int, seed: int) -> None:
    stream = Stream(seed, 0, Purpose.BLOCK_MASK)
    assert all(low <= stream.integer(low, low + span) <= low + span for _ in range(20))
