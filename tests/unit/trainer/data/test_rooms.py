"""Memory of batches comes back when nobody sees it any more, and not before."""

from __future__ import annotations

import gc
import threading

import pytest
import torch
from webssl_trainer.data.rooms import Rooms

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="pinned memory is torch's to use again")


@needs_no_gpu
def test_memory_is_used_again_when_it_is_free() -> None:
    rooms = Rooms()
    first = rooms.flat(4096)
    place = first.data_ptr()
    del first
    gc.collect()
    assert rooms.flat(4096).data_ptr() == place


@needs_no_gpu
@pytest.mark.parametrize(
    "keep",
    [
        lambda room: room,
        lambda room: room.view(4, 1024)[2],
        lambda room: room.view(4, 1024).numpy()[2, 5:],
        lambda room: torch.from_numpy(room.numpy()[7:]),
        lambda room: room.untyped_storage(),
        lambda room: memoryview(room.numpy()),
        lambda room: room.view(4, 1024).unbind()[3].detach(),
    ],
    ids=["itself", "view", "array", "tensor of an array", "storage", "buffer", "detached"],
)
def test_memory_of_which_anything_is_seen_is_not_used_again(keep: object) -> None:
    rooms = Rooms()
    room = rooms.flat(4096)
    place = room.data_ptr()
    assert callable(keep)
    kept = keep(room)
    del room
    gc.collect()
    other = rooms.flat(4096)
    assert other.data_ptr() != place
    del kept
    gc.collect()
    assert rooms.flat(4096).data_ptr() == place


def test_rooms_of_all_sizes_are_apart() -> None:
    rooms = Rooms()
    lent = [rooms.flat(size).fill_(number) for number, size in enumerate((0, 1, 100, 100, 5000, 100))]
    assert [set(room.tolist()) for room in lent] == [set(), {1}, {2}, {3}, {4}, {5}]


def test_threads_never_share_a_room() -> None:
    rooms = Rooms()
    wrong: list[int] = []

    def use(number: int) -> None:
        for _ in range(300):
            room = rooms.flat(2048).fill_(number)
            if not bool((room == number).all()):
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
