"""Attempts, zombies and crashes, interleaved at random between any two accesses to the storage.

Each attempt is a generator that pauses after every access; hypothesis decides who goes on, who dies, and when a new one starts.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_api.manifest import CheckpointManifest, ObjectEntry
from webssl_trainer.checkpoint.claims import Claim, ClaimBoard, ResumePoint, is_fenced, next_key
from webssl_trainer.checkpoint.discovery import Chosen, choose, effective_steps, survey, verify_objects
from webssl_trainer.checkpoint.layout import FolderKey
from webssl_trainer.checkpoint.lineage import Candidate, branch_points, is_superseded
from webssl_trainer.checkpoint.retention import deletable
from webssl_trainer.checkpoint.steplog import StepLog
from webssl_trainer.storage import FsspecStorage, join

STORAGE = FsspecStorage()
NUMBERS = itertools.count()
KEEP = 2


def resume(uri: str) -> Chosen:
    def verify(candidate: Candidate) -> str | None:
        assert candidate.manifest is not None
        return verify_objects(STORAGE, join(uri, candidate.key.path), candidate.manifest.objects)

    return choose(survey(STORAGE, uri), uri, verify)


@dataclass
class World:
    uri: str
    live: list[Iterator[None]] = field(default_factory=list)
    attempts: int = 0
    committed: list[tuple[FolderKey, bool]] = field(default_factory=list)

    def start(self, nonce: int) -> None:
        self.attempts += 1
        self.live.append(self.attempt(f"{nonce:04x}{self.attempts:04x}"))

    def attempt(self, nonce: str) -> Iterator[None]:
        """The life of an attempt in the order of resume.begin_attempt and saver.Saver."""
        board, uri = ClaimBoard(STORAGE, self.uri), self.uri
        known = board.keys()
        yield
        key = next_key(known, nonce)
        claim = Claim(attempt=key.number, nonce=nonce, world_size=1)
        board.update(claim)
        yield
        if is_fenced(key, board.keys()):
            return
        yield
        chosen = resume(uri).candidate
        yield
        manifest = None if chosen is None else chosen.manifest
        start = 0 if manifest is None else manifest.step
        point = None
        if chosen is not None and manifest is not None:
            point = ResumePoint(
                path=chosen.key.path, digest=manifest.digest, attempt=manifest.attempt, step=start, samples=0
            )
        board.update(claim.model_copy(update={"discovered": True, "resumed_from": point}))
        yield
        log = StepLog(key, "" if manifest is None else manifest.step_logs[-1])
        step = start
        while step < start + 12:
            for _ in range(3):
                log.append({"step": step})
                step += 1
            yield
            folder = FolderKey(key, step)
            data = f"{key.text()} {step}".encode()
            STORAGE.put(join(uri, folder.path, "object"), data)
            yield
            written = log.cut()
            assert written is not None
            STORAGE.put(join(uri, written.path), written.data)
            yield
            known = board.keys()
            if is_fenced(key, known):
                return
            yield
            made = CheckpointManifest(
                run_uid="u",
                attempt=key.number,
                step=step,
                samples=step,
                stage=0,
                world_size=1,
                config_digest="c",
                resumed_step=start,
                step_logs=[*log.paths, written.path],
                objects=[ObjectEntry(path="object", size=len(data), sha256=hashlib.sha256(data).hexdigest())],
            )
            STORAGE.put(join(uri, folder.manifest_path), made.to_bytes())
            self.committed.append((folder, is_fenced(key, board.keys())))
            log.committed(written)
            yield
            found = survey(STORAGE, uri)
            for old in deletable(found.ordered, found.listed.folders, key, folder, KEEP):
                yield
                STORAGE.delete(join(uri, old.manifest_path))
                for path in found.listed.folders[old]:
                    yield
                    STORAGE.delete(join(uri, old.path, path))

    def check(self) -> None:
        found = survey(STORAGE, self.uri)
        chosen = resume(self.uri)
        assert chosen.rejected == [], "whatever has a manifest is whole"
        if chosen.candidate is None:
            assert not self.committed, "once there was a checkpoint, there always is one"
            return
        key = chosen.candidate.key
        for item in found.ordered:
            assert item.manifest is not None
        cuts = branch_points(found.ordered, ClaimBoard(STORAGE, self.uri).read_all())
        if not all(is_superseded(item.key, cuts) for item in found.ordered):
            assert not is_superseded(key, cuts), "no checkpoint of an abandoned branch wins"
        honest = [folder for folder, late in self.committed if not late]
        newest = max((folder.attempt for folder in honest), default=None)
        assert newest is None or key.attempt >= newest, (
            "a writer that was fenced does not win over a newer attempt"
        )
        steps = [record["step"] for record in effective_steps(STORAGE, self.uri)]
        assert chosen.candidate.manifest is not None
        assert steps == list(range(chosen.candidate.manifest.step)), "the steps that count have no gap"


ACTIONS = st.one_of(
    st.tuples(st.just("start"), st.integers(0, 9)),
    st.tuples(st.just("run"), st.integers(0, 80)),
    st.tuples(st.just("die"), st.integers(0, 80)),
)


@settings(max_examples=60, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=60))
def test_whatever_attempts_do_the_run_resumes_from_a_whole_checkpoint_of_the_newest_branch(
    actions: list[tuple[str, int]],
) -> None:
    world = World(f"memory://protocol-{next(NUMBERS)}")
    for kind, value in actions:
        if kind == "start":
            world.start(value)
        elif world.live:
            who = world.live[value % len(world.live)]
            if kind == "die":
                world.live.remove(who)
                continue
            for _ in range(1 + value // 8):
                if next(who, "over") == "over":
                    world.live.remove(who)
                    break
        world.check()


def test_a_zombie_that_commits_late_loses_to_the_newer_attempts_checkpoint() -> None:
    world = World(f"memory://protocol-{next(NUMBERS)}")
    world.start(1)
    zombie = world.live[0]
    for _ in range(5 + 9):
        next(zombie)
    world.start(2)
    newer = world.live[1]
    for _ in range(5 + 5):
        next(newer)
    for _ in zombie:
        pass
    world.check()
    chosen = resume(world.uri).candidate
    assert chosen is not None
    assert chosen.key.attempt.number == 2
