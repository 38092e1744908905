"""A checkpoint that two processes wrote, sharded or replicated, loads in one and in two, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from webssl_api.manifest import CheckpointManifest
from webssl_trainer.checkpoint.layout import FolderKey
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen, begin_attempt, load_state
from webssl_trainer.checkpoint.saver import SaveOrder, Saver
from webssl_trainer.storage import FsspecStorage


def build(sharded: bool, group: dist.ProcessGroup | None) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    if sharded and group is not None:
        fully_shard(model, mesh=DeviceMesh.from_group(group, "cpu"))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {"model": model.state_dict(), "optimizer": get_optimizer_state_dict(model, optimizer)}


def train_and_save(peers: Peers, sharded: bool, uri: str) -> None:
    model, optimizer = build(sharded, peers.group)
    for _ in range(3):
        model(torch.ones(4, 5)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    start = begin_attempt(FsspecStorage(), uri, peers, "0" * 8, "", Seen(), {"a": 1})
    saver = Saver(FsspecStorage(), uri, peers, keep=2)
    manifest = CheckpointManifest(
        run_uid="u",
        attempt=1,
        step=3,
        samples=3,
        stage=0,
        world_size=peers.world,
        config_digest="",
        objects=[],
    )
    saver.start(
        state_of(model, optimizer), SaveOrder(FolderKey(start.claim.key, 3), manifest, b'{"a":1}', None)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # training goes on; what was copied must not change
    outcome = saver.collect(wait=True)
    assert outcome is not None
    assert outcome.manifest is not None, outcome.problem


def load_and_compare(peers: Peers, sharded: bool, uri: str, expected: Path) -> None:
    start = begin_attempt(FsspecStorage(), uri, peers, f"{peers.world:08x}", "", Seen(), {"a": 1})
    assert start.candidate is not None
    assert start.step == 3
    model, optimizer = build(sharded, peers.group)
    state = state_of(model, optimizer)
    load_state(FsspecStorage(), uri, start.candidate, state, peers)
    model.load_state_dict(state["model"])
    set_optimizer_state_dict(model, optimizer, state["optimizer"])
    wanted = torch.load(expected)
    for name, tensor in full(state_of(model, optimizer)).items():
        assert torch.allclose(tensor, wanted[name], atol=1e-6), name


def full(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    tensors = {f"model.{name}": tensor for name, tensor in state["model"].items()}
    for name, moments in state["optimizer"]["state"].items():
        tensors |= {f"{name}.{key}": value for key, value in moments.items()}
    whole = {name: getattr(tensor, "full_tensor", lambda t=tensor: t)() for name, tensor in tensors.items()}
    return {name: tensor.detach().clone() for name, tensor in whole.items()}


def two_processes(rank: int, port: int, sharded: bool, uri: str, expected: Path) -> None:
    store = dist.TCPStore("127.0.0.1", port, is_master=False)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    peers = Peers(rank, 2, dist.new_group(backend="gloo"))
    train_and_save(peers, sharded, uri)
    load_and_compare(peers, sharded, uri, expected)
    dist.destroy_process_group()


@pytest.mark.parametrize("sharded", [False, True], ids=["replicated", "sharded"])
def test_what_two_processes_saved_loads_in_two_and_in_one(tmp_path: Path, sharded: bool) -> None:
    model, optimizer = build(False, None)
    for _ in range(3):
        model(torch.ones(4, 5)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    expected = tmp_path / "expected"
    torch.save(full(state_of(model, optimizer)), expected)
    uri = f"file://{tmp_path}/run"
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    mp.spawn(two_processes, args=(store.port, sharded, uri, expected), nprocs=2)
    load_and_compare(Peers(), False, uri, expected)
