"""Real agents' rendezvous over a file: several threads, real sockets, short timings."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from webssl_trainer.errors import UserError
from webssl_trainer.rendezvous.document import Document
from webssl_trainer.rendezvous.file import FileBackend
from webssl_trainer.rendezvous.handler import DocumentRendezvous
from webssl_trainer.rendezvous.member import Timing
from webssl_trainer.rendezvous.policy import Limits, Patience
from webssl_trainer.rendezvous.registry import backend_at
from webssl_trainer.rendezvous.state import (
    CorruptStateError,
    Endpoint,
    Node,
    Progress,
    State,
    decode,
    encode,
)

# No thread that stands still for a while is taken for dead.
TIMING = Timing(beat=0.3, misses=400, poll=0.05, store=120, patience=Patience(last_call=120, stragglers=120))


def test_a_state_survives_its_json_form() -> None:
    state = State(
        round=3,
        size=2,
        members=(Node(0, "a", "10.0.0.1"),),
        endpoint=Endpoint("10.0.0.1", 1234),
        waiting=(Node(1, "b", "10.0.0.2"),),
        progress=Progress(2, 17),
        completed=True,
    )
    assert decode(encode(state)) == state


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[]"])
def test_another_document_is_refused(text: str) -> None:
    with pytest.raises(CorruptStateError):
        decode(text)


def test_no_change_is_lost_when_many_write_at_once(tmp_path: Path) -> None:
    backend = FileBackend(tmp_path / "rendezvous.json")

    def add(number: int) -> None:
        document = Document(backend, sleep=lambda _: None, random=lambda: 0.0)
        for _ in range(20):
            document.change(lambda state, _: State(round=state.round + 1, progress=Progress(number, 0)))
            backend.beat(f"node-{number}", "1")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert decode(backend.read().text or "").round == 160


def handler(path: Path, slot: int, stop: threading.Event | None = None) -> DocumentRendezvous:
    node = Node(slot, f"pod-{slot}", "127.0.0.1")
    limits = Limits(2, 2, lambda count: count > 0)
    return DocumentRendezvous(
        FileBackend(path), node, "run", limits, TIMING, lambda: Progress(1, 5 + slot), stop
    )


def test_agents_meet_share_a_store_and_meet_again_with_a_new_one(tmp_path: Path) -> None:
    agents = [handler(tmp_path / "r.json", slot) for slot in range(2)]
    with ThreadPoolExecutor(2) as pool:
        first = list(pool.map(lambda agent: agent.next_rendezvous(), agents))
        assert [info.rank for info in first] == [0, 1]
        first[0].store.set("greeting", "hello")
        assert first[1].store.get("greeting") == b"hello"
        second = list(pool.map(lambda agent: agent.next_rendezvous(), agents))
        assert [info.rank for info in second] == [0, 1]
        assert second[0].bootstrap_store_info != first[0].bootstrap_store_info
        assert agents[0].state.progress == Progress(1, 6), "the furthest step anyone saw"
        assert list(pool.map(lambda agent: agent.shutdown(), agents)) == [True, True]


def test_a_wait_for_others_ends_when_the_pod_is_asked_to_stop(tmp_path: Path) -> None:
    from torch.distributed.elastic.rendezvous import RendezvousGracefulExitError

    stop = threading.Event()
    agent = handler(tmp_path / "r.json", 0, stop)
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(RendezvousGracefulExitError):
        agent.next_rendezvous()
    agent.shutdown()
    assert decode(FileBackend(tmp_path / "r.json").read().text or "").nodes() == ()


def test_nobody_waits_for_a_round_of_a_complete_run(tmp_path: Path) -> None:
    from torch.distributed.elastic.rendezvous import RendezvousClosedError

    agent = handler(tmp_path / "r.json", 0)
    agent.set_closed()
    with pytest.raises(RendezvousClosedError):
        agent.next_rendezvous()
    agent.reopen()
    assert not agent.is_closed()
    agent.shutdown()


def test_an_unknown_address_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="configmap://"):
        backend_at("etcd://somewhere")
