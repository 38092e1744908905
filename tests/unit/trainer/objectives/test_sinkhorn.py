"""Sinkhorn-Knopp against the algorithm as printed, over micro-batches and over processes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from webssl_trainer.objectives.dino.sinkhorn import sinkhorn_knopp

# Importing torch takes longer than the work; here it is imported once.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["webssl_trainer.objectives.dino.sinkhorn"])


def as_printed(logits_BK: Tensor, temperature: float, iterations: int) -> Tensor:
    """The matrix form of SwAV and DINOv2, step by step."""
    q = (logits_BK.double() / temperature).exp().T
    prototypes, samples = q.shape
    q = q / q.sum()
    for _ in range(iterations):
        q = q / q.sum(dim=1, keepdim=True) / prototypes
        q = q / q.sum(dim=0, keepdim=True) / samples
    return (q * samples).T


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 0),
    prototypes=st.integers(2, 20),
    temperature=st.sampled_from([0.04, 0.07]),
    iterations=st.integers(1, 4),
)
def test_any_split_into_micro_batches_gives_the_printed_algorithm(
    seed: int, sizes: list[int], prototypes: int, temperature: float, iterations: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.rand(sum(sizes), prototypes, generator=generator, dtype=torch.float64) * 2 - 1
    computed = sinkhorn_knopp(logits.split(sizes), temperature, iterations, None)
    expected = as_printed(logits, temperature, iterations)
    assert [len(part) for part in computed] == sizes
    torch.testing.assert_close(torch.cat(computed), expected, rtol=1e-6, atol=1e-12)
    in_fp32 = torch.cat(sinkhorn_knopp([logits.float()], temperature, iterations, None))
    torch.testing.assert_close(in_fp32.double(), expected, rtol=1e-4, atol=1e-6)


def test_rows_are_distributions_and_prototypes_are_used_alike_after_many_iterations() -> None:
    logits = torch.rand(64, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (q,) = sinkhorn_knopp([logits], 0.07, 200, None)
    torch.testing.assert_close(q.sum(1), torch.ones(64, dtype=torch.float64))
    torch.testing.assert_close(q.sum(0), torch.full((8,), 8.0, dtype=torch.float64))


def test_no_masked_patch_anywhere_gives_empty_targets() -> None:
    (q,) = sinkhorn_knopp([torch.empty(0, 8)], 0.07, 3, None)
    assert q.shape == (0, 8)


def test_logits_of_any_size_stay_finite() -> None:
    (q,) = sinkhorn_knopp([torch.tensor([[300.0, 299.0], [298.0, 300.0]])], 0.04, 3, None)
    assert q.isfinite().all()


def balance(rank: int, world: int, folder: str) -> None:
    """One process: the targets of its logits, balanced with those of the others."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    cases = torch.load(f"{folder}/logits{rank}.pt")
    torch.save([sinkhorn_knopp(c, 0.05, 3, dist.group.WORLD) for c in cases], f"{folder}/targets{rank}.pt")
    dist.destroy_process_group()


# For each process the samples of its micro-batches; none is allowed.
CASES = {
    2: [[[4, 4], [4, 4]], [[7, 1], [0, 0]]],
    4: [[[4], [4], [4], [4]], [[5, 3], [0, 0], [2, 0], [0, 6]]],
}


@pytest.mark.parametrize("world", CASES)
def test_processes_give_the_result_of_one(
    world: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    generator = torch.Generator().manual_seed(3)
    shares: list[list[list[Tensor]]] = [
        [
            [torch.rand(n, 12, generator=generator, dtype=torch.float64) * 2 - 1 for n in sizes]
            for sizes in case
        ]
        for case in CASES[world]
    ]
    for rank in range(world):
        torch.save([case[rank] for case in shares], tmp_path / f"logits{rank}.pt")
    processes = [FORKS.Process(target=balance, args=(rank, world, str(tmp_path))) for rank in range(world)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=300)
    assert [process.exitcode for process in processes] == [0] * world
    targets = [torch.load(tmp_path / f"targets{rank}.pt") for rank in range(world)]
    for number, case in enumerate(shares):
        expected = as_printed(torch.cat([logits for share in case for logits in share]), 0.05, 3)
        computed = torch.cat([q for of_rank in targets for q in of_rank[number]])
        torch.testing.assert_close(computed, expected, rtol=1e-6, atol=1e-12)
