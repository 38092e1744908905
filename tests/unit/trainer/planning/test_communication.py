"""The planner's traffic and memory against a real sharded step.

The step runs in one process of a group whose collectives do nothing (torch's "fake" backend): what is asked for does
not depend on the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from webssl_trainer.model import Parallel
from webssl_trainer.planning import GPUS
from webssl_trainer.planning.communication import Links, Traffic, links, seconds, traffic
from webssl_trainer.planning.dino import DinoPlan, activations_of
from webssl_trainer.planning.memory import Placement, memory_plan
from webssl_trainer.planning.precision import AUTOCAST, SHARDED
from webssl_trainer.planning.quantities import Collective, Networks, Share, Unit

from tests.unit.trainer.planning.reality import CPU, ResizedBytes, Shape, storages

WORLD = 4
SHAPE = Shape("tiny", samples=2, micro_batches=2, prototypes=1024, sides=(56, 28), n_local=2, hidden=256)


class Asked(TorchDispatchMode):
    """Bytes of the whole tensor of each collective, by its name in torch."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            tensors = [x for x in tree_leaves(args) if isinstance(x, torch.Tensor)]
            self.bytes[func._schema.name.partition("::")[2]] += max(x.nbytes for x in tensors)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def four_processes() -> Iterator[dist.ProcessGroup]:
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=WORLD)
    yield dist.group.WORLD  # type: ignore[misc]
    dist.destroy_process_group()


def test_a_sharded_step_asks_for_what_was_planned(four_processes: dist.ProcessGroup) -> None:
    objective = SHAPE.objective(Parallel(CPU, four_processes, shard=True, bf16=True))
    with Asked() as asked:
        objective.forward_backward(SHAPE.batches, SHAPE.context(four_processes))
    share = Share(4, 2, WORLD)
    networks = DinoPlan().networks(SHAPE.vit, SHAPE.config)
    collectives = DinoPlan().collectives(SHAPE.config, share)
    planned = traffic(networks, Placement(WORLD, 1), share, SHARDED, collectives)
    ring = (WORLD - 1) / WORLD
    assert planned.gathers == pytest.approx(ring * asked.bytes["_allgather_base_"], rel=0.02)
    assert planned.scatters == pytest.approx(ring * asked.bytes["_reduce_scatter_base_"], rel=0.02)
    assert planned.objective == pytest.approx(2 * ring * asked.bytes["allreduce_"], rel=0.02)


@pytest.mark.parametrize(("micro_batches", "prototypes"), [(1, 1024), (2, 1024), (1, 16384)])
def test_the_peak_of_a_sharded_step_is_what_was_planned(
    four_processes: dist.ProcessGroup, micro_batches: int, prototypes: int
) -> None:
    shape = Shape("S", 2, micro_batches, prototypes, sides=(112, 56), n_local=4, hidden=256)
    objective = shape.objective(Parallel(CPU, four_processes, shard=True, bf16=True))
    batches = shape.batches
    shards = [p.to_local() for module in objective.modules.values() for p in module.parameters()]
    crops = [x for batch in batches for x in (batch.global_crops, batch.local_crops)]
    with ResizedBytes(storages([*shards, *crops])) as live:
        objective.forward_backward(batches, shape.context(four_processes))
    micro, step = shape.rows()
    activations = activations_of(shape.vit, shape.config, shape.crops, micro, step, SHARDED)
    networks, share = DinoPlan().networks(shape.vit, shape.config), Share(2 * micro_batches, 2, WORLD)
    plan = memory_plan(networks, activations, Placement(WORLD, 1), share, SHARDED)
    assert plan.peak - plan.state - plan.inputs == pytest.approx(live.peak, rel=0.15)


def test_replicas_exchange_only_their_gradients() -> None:
    networks = Networks(trained=(Unit("all", 1000, 1000),))
    amount = traffic(networks, Placement(1, 4), Share(8, 2, 4), AUTOCAST, ())
    assert (amount.gathers, amount.scatters) == (0, 0)
    assert amount.replicas == 2 * 3 / 4 * 4000


def test_hybrid_sharding_gathers_within_groups_and_sums_shards_over_replicas() -> None:
    networks = Networks(trained=(Unit("all", 1000, 1000),), frozen=(Unit("all", 1000, 1000),))
    amount = traffic(networks, Placement(4, 8), Share(6, 2, 32), SHARDED, ())
    assert amount.gathers == 3 / 4 * 2 * 3 * (2 * 1000 + 1000)
    assert amount.scatters == 3 / 4 * 4000
    assert amount.replicas == 2 * 7 / 8 * 4000 / 4


def test_groups_within_a_machine_use_its_own_links_and_replicas_one_adapter_each() -> None:
    gpu = GPUS["H100"]
    inside, flat = links(gpu, Placement(8, 4), 8), links(gpu, Placement(32, 1), 8)
    assert (inside.shards, inside.replicas) == (gpu.link, gpu.network)
    assert flat.shards == min(gpu.link, 8 * gpu.network)
    assert links(GPUS["A100"], Placement(32, 1), 8).shards == 8 * GPUS["A100"].network


def test_the_time_of_a_step_is_the_sum_of_its_collectives() -> None:
    amount, rates = Traffic(8.0, 4.0, 6.0, 1.0), Links(shards=4.0, replicas=2.0, world=1.0)
    assert seconds(amount, rates) == 3 + 3 + 1
    assert amount.total == 19


def test_an_all_reduce_sends_twice_what_a_gather_sends() -> None:
    networks, share = Networks(trained=(Unit("all", 0, 0),)), Share(1, 1, 4)
    both = [Collective("all-reduce", "sum", 400, 3), Collective("all-gather", "all", 400, 1)]
    assert traffic(networks, Placement(4, 1), share, SHARDED, both).objective == 3 * 600 + 300
