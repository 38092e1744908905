"""One process saves, kills, damages and loads real checkpoints in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from webssl_api.manifest import CheckpointManifest
from webssl_trainer.checkpoint.claims import ClaimBoard, FencedError
from webssl_trainer.checkpoint.discovery import effective_steps, final_checkpoint, survey
from webssl_trainer.checkpoint.layout import FolderKey
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen, Start, begin_attempt, load_state
from webssl_trainer.checkpoint.saver import SaveOrder, SaveOutcome, Saver
from webssl_trainer.checkpoint.steplog import StepLog
from webssl_trainer.errors import UserError
from webssl_trainer.storage import FsspecStorage

STORAGE = FsspecStorage()
IDENTITY = {"model.size": "tiny"}


class Killed(BaseException):
    """Stands for the death of the process at some stage."""


class Trainer:
    """The life of one attempt, without the training: each step adds one to the weights."""

    def __init__(self, uri: str, nonce: str, seen: Seen | None = None, keep: int = 2) -> None:
        self.uri = uri
        self.start: Start = begin_attempt(
            STORAGE, uri, Peers(), nonce, "2030-01-01T00:00:00Z", seen or Seen(), IDENTITY
        )
        self.step = self.start.step
        self.model = nn.Linear(3, 3)
        self.optimizer = torch.optim.AdamW(self.model.parameters())
        nn.init.zeros_(self.model.weight)
        if self.start.candidate is not None:
            load_state(STORAGE, uri, self.start.candidate, {"model": self.model.state_dict()}, Peers())
        self.log = StepLog(self.start.claim.key, self.start.last_log)
        self.fail_at = ""
        self.saver = Saver(STORAGE, uri, Peers(), keep, on_failpoint=self._failpoint)

    def _failpoint(self, stage: str) -> None:
        if stage == self.fail_at:
            raise OSError(f"killed when {stage}")

    def train(self, steps: int) -> None:
        for _ in range(steps):
            with torch.no_grad():
                self.model.weight += 1
            self.log.append({"step": self.step, "by": self.start.claim.attempt})
            self.step += 1

    def save(self, final: bool = False) -> SaveOutcome:
        claim = self.start.claim
        written = self.log.cut()
        manifest = CheckpointManifest(
            run_uid="u",
            attempt=claim.attempt,
            step=self.step,
            samples=self.step * 4,
            stage=0,
            final=final,
            world_size=1,
            config_digest="c",
            resumed_step=self.start.step,
            step_logs=[*self.log.paths, *([written.path] if written else [])],
            objects=[],
        )
        key = FolderKey(claim.key, self.step)
        self.saver.start(
            {"model": self.model.state_dict()}, SaveOrder(key, manifest, b'{"model.size":"tiny"}', written)
        )
        outcome = self.saver.collect(wait=True)
        assert outcome is not None
        if outcome.manifest is not None and written is not None:
            self.log.committed(written)
        return outcome


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"file://{tmp_path}/run"


def nonce(number: int) -> str:
    return f"{number:08x}"


def test_a_new_attempt_goes_on_where_the_last_checkpoint_was_taken(uri: str) -> None:
    first = Trainer(uri, nonce(1))
    first.train(3)
    first.save()
    second = Trainer(uri, nonce(2))
    assert second.start.claim.attempt == 2
    assert second.step == 3
    assert torch.equal(second.model.weight, torch.full((3, 3), 3.0))


def test_a_flipped_byte_makes_the_run_fall_back_to_the_checkpoint_before_and_say_so(uri: str) -> None:
    first = Trainer(uri, nonce(1))
    for _ in range(2):
        first.train(2)
        outcome = first.save()
    path = Path(uri.removeprefix("file://")) / outcome.order.key.path / "00000-00000.distcp"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    second = Trainer(uri, nonce(2), Seen(1, 4))
    assert second.step == 2
    [rejected] = second.start.claim.rejected
    assert "SHA-256" in rejected.reason
    assert rejected.uri.endswith("step-000000000004")
    assert second.start.lost_steps == 2


@pytest.mark.parametrize("stage", ["uploaded", "before-manifest"])
def test_a_save_that_ends_before_its_manifest_is_no_checkpoint(uri: str, stage: str) -> None:
    first = Trainer(uri, nonce(1))
    first.train(1)
    first.save()
    first.train(1)
    first.fail_at = stage
    assert "killed" in first.save().problem
    assert Trainer(uri, nonce(2)).step == 1


def test_an_attempt_that_is_over_can_not_commit(uri: str) -> None:
    zombie = Trainer(uri, nonce(1))
    zombie.train(5)
    Trainer(uri, nonce(2))
    with pytest.raises(FencedError, match="00000002"):
        zombie.save()
    assert Trainer(uri, nonce(3)).step == 0


def test_of_two_claims_with_one_number_only_one_can_commit(uri: str) -> None:
    one = Trainer(uri, nonce(1))
    ClaimBoard(STORAGE, uri).update(one.start.claim.model_copy(update={"nonce": nonce(2)}))
    one.train(1)
    with pytest.raises(FencedError):
        one.save()


def test_old_checkpoints_go_and_their_step_logs_stay(uri: str) -> None:
    trainer = Trainer(uri, nonce(1), keep=2)
    for _ in range(5):
        trainer.train(2)
        trainer.save()
    folders = sorted(
        path.name for path in Path(uri.removeprefix("file://")).glob("checkpoints/*/*") if any(path.iterdir())
    )
    assert folders == ["step-000000000008", "step-000000000010"]
    assert [record["step"] for record in effective_steps(STORAGE, uri)] == list(range(10))


def test_the_effective_steps_leave_out_what_was_rolled_back(uri: str) -> None:
    first = Trainer(uri, nonce(1))
    first.train(3)
    first.save()
    first.train(4)
    second = Trainer(uri, nonce(2), Seen(1, 7))
    second.train(2)
    second.save()
    third = Trainer(uri, nonce(3), Seen(1, 7))
    third.train(1)
    third.save(final=True)
    assert [(record["step"], record["by"]) for record in effective_steps(STORAGE, uri)] == [
        (0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3),
    ]  # fmt: skip
    assert third.start.lost_steps == 4, "the loss of attempt 1 is counted once"
    final = final_checkpoint(STORAGE, uri)
    assert final is not None
    assert final.key.step == 6


def test_another_architecture_is_refused_by_the_name_of_the_field(uri: str) -> None:
    trainer = Trainer(uri, nonce(1))
    trainer.train(1)
    trainer.save()
    with pytest.raises(UserError, match=r"spec\.model\.size is 'S', but .* 'tiny'"):
        begin_attempt(STORAGE, uri, Peers(), nonce(2), "", Seen(), {"model.size": "S"})


def test_plain_torch_can_read_a_checkpoint_folder(uri: str) -> None:
    trainer = Trainer(uri, nonce(1))
    trainer.train(2)
    outcome = trainer.save()
    folder = Path(uri.removeprefix("file://")) / outcome.order.key.path
    state = {"model": nn.Linear(3, 3).state_dict()}
    torch.distributed.checkpoint.load(state, checkpoint_id=folder, no_dist=True)
    assert torch.equal(state["model"]["weight"], torch.full((3, 3), 2.0))


def test_a_report_of_another_run_in_the_same_place_counts_as_no_loss(uri: str) -> None:
    assert Trainer(uri, nonce(1), Seen(1, 24)).start.lost_steps == 0
    assert Trainer(uri, nonce(2), Seen(7, 24)).start.lost_steps == 0
    assert Trainer(uri, nonce(3), Seen(2, 24)).start.lost_steps == 24


def test_checkpoints_of_a_tuning_within_a_checkpoint_are_not_the_runs_and_go_with_it(uri: str) -> None:
    run = Trainer(uri, nonce(1), keep=1)
    run.train(2)
    run.save()
    outer = survey(STORAGE, uri).ordered[0]
    within = f"{uri}/{outer.key.path}/eval/tuning/0123"
    tuning = Trainer(within, nonce(2))
    tuning.train(9)
    tuning.save(final=True)
    assert [item.key.step for item in survey(STORAGE, uri).ordered] == [2]
    assert [item.key.step for item in survey(STORAGE, within).ordered] == [9]
    run.train(1)
    run.save()
    assert [item.key.step for item in survey(STORAGE, uri).ordered] == [3]
    assert list(STORAGE.list_objects(within)) == []
