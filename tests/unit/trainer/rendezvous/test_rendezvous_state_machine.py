"""Agents that start, die, hang and come back at any moment, on simulated clocks, over one simulated document.

The rules that must hold at every moment and after things calm down are in `check` and in the tests.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.rendezvous.backend import Snapshot
from webssl_trainer.rendezvous.document import Document
from webssl_trainer.rendezvous.member import Member, Timing
from webssl_trainer.rendezvous.policy import Limits, Patience, Verdict, allowed_counts, leave, publish
from webssl_trainer.rendezvous.state import Endpoint, Node, Progress, State, decode

TIMING = Timing(beat=5, misses=3, poll=1, patience=Patience(last_call=10, stragglers=40))


@dataclass
class Agent:
    member: Member
    document: Document
    clock_offset: float
    training: bool = False
    comrades: tuple[Node, ...] = ()
    ended: bool = False
    stuck_until: float = 0.0
    beats: int = 0


@dataclass
class World:
    """Holds the document (it is the agents' backend) and lets agents take turns, one second after the other."""

    limits: Limits
    wanted: int | None = None
    text: str | None = None
    version: int = 0
    now: float = 0.0
    beats: dict[str, str] = field(default_factory=dict)
    agents: dict[int, Agent] = field(default_factory=dict)
    incarnations: int = 0
    rounds: list[tuple[int, int]] = field(default_factory=list)
    formed: set[tuple[int, tuple[Node, ...]]] = field(default_factory=set)
    lost: bool = False

    def read(self) -> Snapshot:
        return Snapshot(self.text, dict(self.beats), self.wanted, str(self.version))

    def write(self, text: str, token: str, forget: Collection[str]) -> bool:
        assert token == str(self.version)
        after = decode(text)
        self.text, self.version = text, self.version + 1
        self.beats = {node: beat for node, beat in self.beats.items() if node not in forget}
        if len(after.members) == after.size > 0 and (after.round, after.members) not in self.formed:
            self.formed.add((after.round, after.members))
            self.rounds.append((after.round, after.size))
        return True

    def beat(self, node_id: str, value: str) -> None:
        self.beats[node_id] = value

    def state(self) -> State:
        return State() if self.text is None else decode(self.text)

    def start(self, slot: int) -> None:
        self.incarnations += 1
        node = Node(slot, f"pod-{slot}.{self.incarnations}", f"10.0.0.{self.incarnations}")
        document = Document(self, sleep=lambda _: None, random=lambda: 0.5)
        self.agents[slot] = Agent(Member(node, self.limits, TIMING), document, 37.0 * self.incarnations)
        self.rejoin(self.agents[slot])

    def kill(self, slot: int) -> None:
        self.agents.pop(slot, None)

    def hang(self, slot: int, seconds: float) -> None:
        if slot in self.agents:
            self.agents[slot].stuck_until = self.now + seconds

    def workers_fail(self, slot: int) -> None:
        if slot in self.agents and self.agents[slot].training:
            self.rejoin(self.agents[slot])

    def lose_document(self) -> None:
        self.text, self.beats, self.version, self.lost = None, {}, self.version + 1, True

    def rejoin(self, agent: Agent) -> None:
        agent.training = False
        agent.member.entered(agent.document.change(lambda state, _: agent.member.enter(state, Progress())))

    def tick(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            for agent in list(self.agents.values()):
                if not agent.ended and self.now >= agent.stuck_until:
                    self.turn(agent)

    def turn(self, agent: Agent) -> None:
        now, member, document = self.now + agent.clock_offset, agent.member, agent.document
        if int(self.now) % 5 == 0:
            agent.beats += 1
            document.beat(member.node.id, str(agent.beats))
        if agent.training:
            state, seen = document.read()
            dead = member.dead(state, seen.beats, now)
            state = document.change(lambda state, _: leave(state, dead))
            verdict = member.judge(state, seen.wanted)
            if verdict is Verdict.REPLACED:
                agent.ended, agent.training = True, False
            elif verdict is not Verdict.STAY:
                self.rejoin(agent)
            return
        state = document.change(
            lambda state, seen: member.settle(state, seen.beats, seen.wanted, Progress(), now)
        )
        if member.replaced(state):
            agent.ended = True
        elif member.formed(state):
            member.start_round(state)
            agent.training, agent.comrades = True, state.members
            endpoint = Endpoint(member.node.address, 1)
            document.change(lambda now, _: publish(now, member.node, state.round, endpoint))

    def check(self) -> None:
        numbers = [number for number, _ in self.rounds]
        assert self.lost or numbers == sorted(set(numbers)), "round numbers rise"
        rounds: dict[int, tuple[Node, ...]] = {}
        for agent in self.agents.values():
            if agent.training:
                agreed = rounds.setdefault(agent.member.round, agent.comrades)
                assert agent.comrades == agreed, "two agents in one round agree on who is in it"
        for _, size in self.rounds:
            assert size >= self.limits.minimum, "no round has fewer nodes than the minimum"
            assert size <= self.limits.maximum
            assert self.limits.allowed(size), "no round has a count that does not divide the batch"


EVENTS = st.one_of(
    st.tuples(st.just("start"), st.integers(0, 3)),
    st.tuples(st.just("kill"), st.integers(0, 3)),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("hang"), st.integers(0, 3)),
    st.tuples(st.just("want"), st.integers(1, 4)),
    st.tuples(st.just("tick"), st.integers(1, 30)),
    st.tuples(st.just("lose"), st.just(0)),
)


def play(world: World, events: list[tuple[str, int]]) -> None:
    for kind, value in events:
        match kind:
            case "start" if value not in world.agents:
                world.start(value)
            case "kill":
                world.kill(value)
            case "fail":
                world.workers_fail(value)
            case "hang":
                world.hang(value, 25)
            case "want":
                world.wanted = value
            case "tick":
                world.tick(value)
            case "lose":
                world.lose_document()
        world.check()


@settings(max_examples=150, deadline=None)
@given(events=st.lists(EVENTS, max_size=40), minimum=st.integers(1, 2), batch=st.sampled_from([12, 16]))
def test_whatever_happens_all_live_agents_end_up_in_one_permitted_round(
    events: list[tuple[str, int]], minimum: int, batch: int
) -> None:
    world = World(Limits(minimum, 4, allowed_counts(batch, 1, 1)))
    play(world, events)
    for slot in [slot for slot, agent in world.agents.items() if agent.ended]:
        world.kill(slot)
    world.tick(200)
    world.check()
    live = sorted(world.agents)
    size = world.limits.largest(len(live), world.wanted)
    training = {slot for slot, agent in world.agents.items() if agent.training}
    if size == 0:
        assert not training, "with too few agents nobody trains"
        return
    assert len(training) == size, "as many train as are permitted, the others wait"
    rounds = {world.agents[slot].member.round for slot in training}
    assert len(rounds) == 1
    state = world.state()
    assert rounds == {state.round}
    assert {node.slot for node in state.members} == training
    before = len(world.rounds)
    world.tick(100)
    assert len(world.rounds) == before, "once together, nobody meets again without a reason"


def formed_world(count: int, maximum: int = 4, minimum: int = 1) -> World:
    world = World(Limits(minimum, maximum, allowed_counts(16, 1, 1)), wanted=count)
    for slot in range(count):
        world.start(slot)
    world.tick(3)
    assert all(agent.training for agent in world.agents.values())
    return world


def test_a_full_round_forms_at_once() -> None:
    assert formed_world(2).rounds == [(1, 2)]


def test_a_silent_agent_is_taken_out_and_the_rest_goes_on() -> None:
    world = formed_world(2)
    world.kill(0)
    world.tick(14)
    assert len(world.rounds) == 1
    world.tick(30)
    assert world.rounds[-1] == (2, 1)
    assert world.agents[1].training


def test_a_new_pod_takes_over_the_slot_of_its_dead_predecessor_without_waiting_for_its_heartbeat() -> None:
    world = formed_world(2)
    world.kill(0)
    world.start(0)
    world.tick(3)
    assert world.rounds[-1] == (2, 2)
    assert world.agents[0].training
    assert world.agents[1].training


def test_a_predecessor_that_comes_back_ends_instead_of_taking_the_slot_again() -> None:
    world = formed_world(2)
    zombie = world.agents[0]
    world.kill(0)
    world.start(0)
    world.tick(3)
    world.agents[9] = zombie
    world.tick(3)
    assert zombie.ended
    assert world.rounds[-1] == (2, 2)


def test_two_of_two_is_not_taken_for_three_when_three_do_not_divide_the_batch() -> None:
    world = formed_world(2)
    world.wanted = 3
    world.start(2)
    world.tick(60)
    assert world.rounds == [(1, 2)]
    assert not world.agents[2].training


def test_a_smaller_wish_of_the_operator_leads_to_a_smaller_round() -> None:
    world = formed_world(4)
    world.wanted = 2
    world.tick(5)
    assert world.rounds[-1] == (2, 2)
    assert [slot for slot, agent in world.agents.items() if agent.training] == [0, 1]


def test_rounds_survive_the_loss_of_the_document() -> None:
    world = formed_world(2)
    world.lose_document()
    world.tick(60)
    assert world.rounds == [(1, 2)], "the members write back what they knew and go on training"
    world.kill(0)
    world.lose_document()
    world.start(0)
    world.tick(5)
    assert world.rounds[-1] == (2, 2)


@pytest.mark.parametrize("trained", [0, 3])
def test_a_predecessor_that_a_lost_document_brings_back_does_not_end_its_successor(trained: int) -> None:
    world = World(Limits(1, 4, allowed_counts(16, 1, 1)))
    world.start(0)
    world.start(1)
    world.tick(trained)
    world.kill(0)
    world.start(0)
    world.lose_document()  # before the other agent could read who has slot 0 now
    world.tick(200)
    assert world.rounds[-1][1] == 2
    assert all(agent.training and not agent.ended for agent in world.agents.values())


def test_nobody_is_declared_dead_because_the_observer_could_not_read_for_a_while() -> None:
    world = formed_world(2)
    for agent in world.agents.values():
        agent.stuck_until = world.now + 100
    world.tick(160)
    assert world.rounds == [(1, 2)]
