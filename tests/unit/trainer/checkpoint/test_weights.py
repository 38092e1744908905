"""Weights of another run load at any number of processes, whole or sharded, and at another resolution."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from webssl_trainer.checkpoint.objects import ObjectStore, ObjectWriter
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.weights import all_weights, differing, load_weights
from webssl_trainer.errors import UserError
from webssl_trainer.model import Parallel, VisionTransformer, vit_config
from webssl_trainer.model.positions import embedding_for
from webssl_trainer.storage import FsspecStorage

STORAGE = FsspecStorage()
CPU = torch.device("cpu")


def network(side: int, seed: int, group: dist.ProcessGroup | None = None) -> VisionTransformer:
    """A tiny transformer for images of `side` pixels, sharded where there is a group."""
    with torch.device("meta"):
        vit = VisionTransformer(vit_config("tiny", patch_size=14, image_size=side))
    Parallel(CPU, group, shard=group is not None).place(vit, list(vit.blocks), seed)
    return vit


def save(vit: nn.Module, folder: str, peers: Peers) -> None:
    writer = ObjectWriter(ObjectStore(STORAGE, folder))
    state = {"modules": {"student": vit.state_dict()}, "optimizer": {"step": torch.zeros(())}}
    dcp_save(state, storage_writer=writer, process_group=peers.group, no_dist=peers.group is None)


def whole(vit: nn.Module) -> dict[str, Tensor]:
    return {
        name: getattr(value, "full_tensor", lambda v=value: v)() for name, value in vit.state_dict().items()
    }


def check_all_sizes(folder: str, peers: Peers) -> None:
    """Load what `network(28, seed=1)` held into networks of 28 and of 42 pixels."""
    theirs = whole(network(28, seed=1))
    for side in (28, 42):
        vit = network(side, 2, peers.group)
        load_weights(STORAGE, folder, all_weights({"student": vit}), peers)
        grid = side // 14
        expected = theirs | {"pos_embed": embedding_for(theirs["pos_embed"], grid, grid)}
        for name, value in whole(vit).items():
            assert torch.equal(value, expected[name]), (side, name)


def two_processes(rank: int, port: int, alone: str, together: str) -> None:
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, is_master=False)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    peers = Peers(rank, 2, dist.group.WORLD)
    save(network(28, 1, peers.group), together, peers)
    dist.barrier()
    check_all_sizes(alone, peers)
    check_all_sizes(together, peers)
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")  # saving in one process is the point
def test_two_shards_and_one_process_load_what_either_has_written_at_either_resolution(tmp_path: Path) -> None:
    alone, together = (f"file://{tmp_path}/{name}" for name in ("alone", "together"))
    save(network(28, seed=1), alone, Peers())
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    # Importing torch takes longer than all the rest; the fork server does it once.
    mp.get_context("forkserver").set_forkserver_preload(["webssl_trainer.checkpoint.weights"])
    mp.start_processes(two_processes, args=(store.port, alone, together), nprocs=2, start_method="forkserver")
    check_all_sizes(alone, Peers())
    check_all_sizes(together, Peers())


def test_a_parameter_that_is_not_there_is_named() -> None:
    with pytest.raises(
        UserError, match=r"file:///run has no modules\.vit\.norm\.bias, which this run's networks"
    ):
        differing({"modules.vit.norm.bias": torch.empty(3)}, {"modules.vit.norm.weight": (3,)}, "file:///run")


@pytest.mark.parametrize(
    ("name", "there", "here"),
    [
        ("vit.norm.bias", (4,), (3,)),
        ("vit.pos_embed", (1, 5, 8), (1, 10, 4)),
        ("vit.pos_embed", (1, 6, 8), (1, 10, 8)),
        ("text.pos_embed", (77, 8), (64, 8)),
    ],
    ids=["a vector", "another width", "no square of patches", "positions of words"],
)
def test_only_positions_of_patches_may_differ(
    name: str, there: tuple[int, ...], here: tuple[int, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        differing({name: torch.empty(here)}, {name: there}, "file:///run")
    assert f"{name} has shape {there}, this run's has {here}: give spec.model" in str(caught.value)


def test_positions_of_another_grid_are_interpolated() -> None:
    own = {"a.pos_embed": torch.empty(1, 10, 8), "a.weight": torch.empty(2, 2)}
    assert differing(own, {"a.pos_embed": (1, 5, 8), "a.weight": (2, 2)}, "file:///run") == ["a.pos_embed"]
