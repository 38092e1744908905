"""A stage in one process, from its order to the final state on storage. Several processes run it together, each with its share.

What is learned depends on the stage alone: not on how many processes there are, how rows are cut into micro-batches, whether
features are kept or made anew, nor on how often the tuning was cut off.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from webssl_trainer.errors import UserError
from webssl_trainer.loop.processes import Processes
from webssl_trainer.storage import join

from webssl_eval.encoders import Encoder
from webssl_eval.language_models import LanguageModel, load_language_model
from webssl_eval.suites.vqa.feature_plan import Need, images_per_part, plan_of
from webssl_eval.suites.vqa.forms import Chat, Form, QuestionFirst
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.recipe import rate_at, rows_of, rows_seen
from webssl_eval.suites.vqa.saved import SavedTuning, digest_of, finished, load_finished
from webssl_eval.suites.vqa.sequences import learned_tokens
from webssl_eval.suites.vqa.stage import Course, EncoderAt, Stage
from webssl_eval.suites.vqa.steps import Features, MemoryLackError, Row, Stepper, adamw
from webssl_eval.suites.vqa.students import ProjectorAlone, Student, Together
from webssl_eval.suites.vqa.training_features import Encoding, KeptFeatures, moments
from webssl_eval.suites.vqa.training_set import TrainingSet

log = structlog.get_logger("webssl.eval")
MOMENT_IMAGES = 1024
"""Images whose features standardise the projector's inputs: the first ones of the set."""
Progress = Callable[[str, int, int], None]
Told = Callable[[int, int], None]
"""Called with the steps done and the steps there are."""


def run_stage(
    stage: Stage, course: Course, encoder_at: EncoderAt, processes: Processes, progress: Progress, told: Told
) -> None:
    """Learn, from the newest saved state on, and leave the final state on storage.

    Raises:
        UserError: the loss is not finite, the data or the language model is wrong, or the memory does not suffice.
        FencedError: another pod began an attempt at this stage.
        MemoryLackError: see there.
    """
    saved = SavedTuning(course.storage, stage.uri, processes.peers, stage.identity, stage.recipe.batch)
    if saved.finished:
        return
    if stage.recipe.batch < processes.peers.world:
        raise UserError(
            f"batchSize {stage.recipe.batch} is smaller than the {processes.peers.world} processes of the evaluation pod; "
            "raise it, or give the pod fewer GPUs"
        )
    rows = TrainingSet(stage.rows)
    try:
        _Tuning(stage, course, rows, encoder_at, processes, saved).run(progress, told)
    finally:
        rows.close()


class _Tuning:
    def __init__(
        self,
        stage: Stage,
        course: Course,
        rows: TrainingSet,
        encoder_at: EncoderAt,
        processes: Processes,
        saved: SavedTuning,
    ) -> None:
        self._stage, self._course, self._rows, self._saved = stage, course, rows, saved
        self._encoder_at, self._processes = encoder_at, processes
        # Without gradients there is nothing to learn from a row that has no image, when the model is frozen.
        self._usable = rows.with_image if stage.number == 1 else np.arange(len(rows))
        if not len(self._usable):
            raise UserError(f"{rows.url} names no image; the projector learns from rows with one")

    def run(self, progress: Progress, told: Told) -> None:
        stage, peers = self._stage, self._processes.peers
        features, mean, spread = self._features(partial(progress, "training images"))
        student, form = self._student(mean, spread)
        optimizer = adamw(student.module)
        stepper = Stepper(student, optimizer, features, self._micro_batch(), self._processes.training)
        losses = torch.zeros(stage.recipe.steps, dtype=torch.float64)
        begin = self._saved.step
        if begin:
            state = self._state(student, optimizer, losses)
            self._saved.load(state)
            student.module.load_state_dict(state["weights"])
            set_optimizer_state_dict(student.module, optimizer, state["optimizer"])
        log.info("tuning.started", stage=stage.number, step=begin, processes=peers.world, uri=stage.uri)
        for step in range(begin, stage.recipe.steps):
            losses[step] = self._step(step, stepper, form)
            done = step + 1
            if done % self._course.save_every == 0 and done < stage.recipe.steps:
                self._saved.save(self._state(student, optimizer, losses), done)
            told(done, stage.recipe.steps)
            progress(f"steps of stage {stage.number}", done, stage.recipe.steps)
        self._saved.finish({"weights": self._final(student), "losses": losses}, stage.recipe.steps)

    def _step(self, step: int, stepper: Stepper, form: Form) -> float:
        recipe, peers = self._stage.recipe, self._processes.peers
        numbers = rows_of(step, len(self._usable), recipe)
        mine = [self._row(int(self._usable[number]), form) for number in numbers[peers.rank :: peers.world]]
        if self._stage.number == 1:
            mine = [
                row for row in mine if row.example.at is not None and learned_tokens(row.example, whole=False)
            ]
        try:
            loss = stepper.gradients(mine, -(-len(numbers) // peers.world))
        except MemoryLackError:
            self._micro_batch_file.write_text(str(stepper.halved(len(mine))))
            raise
        if not math.isfinite(loss):
            raise UserError(
                f"stage {self._stage.number} of the vqa suite diverged at step {step} "
                f"(learningRate {recipe.learning_rate}); lower it"
            )
        stepper.apply(rate_at(step, recipe))
        return loss

    def _row(self, number: int, form: Form) -> Row:
        image = int(self._rows.images[number])
        example = form.example(self._rows.row(number)).cut(self._course.max_length, self._course.tokens)
        return Row(example, image if image >= 0 else None)

    # -- features ----------------------------------------------------------------------------------------------------

    def _features(self, progress: Told) -> tuple[Features, torch.Tensor, torch.Tensor]:
        """Features by image number, and the moments of the first images'."""
        course, rows, peers = self._course, self._rows, self._processes.peers
        encoder = self._encoder_at(self._processes.device)
        encoding = Encoding(encoder, rows, course.storage, course.tokens, grid_of(encoder))
        seen = self._usable[rows_seen(len(self._usable), self._stage.recipe)]
        images: NDArray[np.int64] = np.unique(np.asarray(rows.images[seen]).astype(np.int64))
        images = images[images >= 0]
        uses = self._stage.recipe.steps * self._stage.recipe.batch
        need = Need(len(images), uses, encoding.positions, encoder.width)
        folder = course.scratch / "features"
        plan = peers.led(
            lambda: plan_of(need, course.features.scratch_gi_b, _free(folder), course.features.keep)
        )
        log.info("tuning.features", images=len(images), keep=plan.keep, reason=plan.reason)
        source: Encoding | KeptFeatures = encoding
        if plan.keep:
            name = digest_of(
                {
                    "of": course.features_digest,
                    "rows": rows.digest,
                    "images": hashlib.sha256(images.tobytes()).hexdigest(),
                }
            )
            remote = (course.storage, join(course.kept, "features", name)) if course.features.keep else None
            source = KeptFeatures(
                encoding, encoder.width, images, folder / name, images_per_part(need), remote
            )
            source.fill(peers.rank, peers.world, progress)
            peers.barrier()
            encoding.release()
        return source.get, *self._moments(source, images[:MOMENT_IMAGES].tolist())

    def _moments(
        self, source: Encoding | KeptFeatures, images: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Equal on all processes, as the projector's first weights are."""
        return self._processes.peers.led(lambda: moments(source.get(images)))

    # -- networks ----------------------------------------------------------------------------------------------------

    def _student(self, mean: torch.Tensor, spread: torch.Tensor) -> tuple[Student, Form]:
        course, device, number = self._course, self._processes.device, self._stage.number
        dtype = torch.float32 if number == 2 else None
        model = load_language_model(course.language_model, device, dtype)
        projector = Projector(mean, spread, model.width, model.embedding_scale(), self._stage.recipe.seed)
        form: Form = Chat(model) if course.chat else QuestionFirst(model)
        if number == 1:
            return ProjectorAlone(projector.to(device), model, course.tokens), form
        assert self._stage.before is not None
        load_projector(course, self._stage.before, projector)
        group = self._processes.training
        size = sum(parameter.numel() for parameter in model.model.parameters())
        shard = group is not None and dist.get_world_size(group) > 1 and size > course.shard_above
        return Together(projector.to(device), model, course.tokens, group if shard else None), form

    def _state(
        self, student: Student, optimizer: torch.optim.Optimizer, losses: torch.Tensor
    ) -> dict[str, Any]:
        return {
            "weights": student.module.state_dict(),
            "optimizer": get_optimizer_state_dict(student.module, optimizer),
            "losses": losses,
        }

    def _final(self, student: Student) -> dict[str, Any]:
        """The weights as they will answer: in stage 2 on a GPU in bfloat16."""
        weights = student.module.state_dict()
        if self._stage.number == 1 or self._processes.device.type != "cuda":
            return weights
        return {
            name: value if name.startswith("projector.") else value.bfloat16()
            for name, value in weights.items()
        }

    # -- memory ------------------------------------------------------------------------------------------------------

    @property
    def _micro_batch_file(self) -> Path:
        return self._course.scratch / f"rows-{digest_of(self._stage.identity)[:16]}"

    def _micro_batch(self) -> int:
        """The setting, or what an earlier life of these processes found to fit."""

        def known() -> int:
            path = self._micro_batch_file
            return int(path.read_text()) if path.is_file() else self._course.micro_batch

        return self._processes.peers.led(known)


def load_projector(course: Course, uri: str, projector: Projector) -> torch.Tensor:
    """Fill a projector from the final state of stage 1; the losses of its steps, float64 (steps,)."""
    found = finished(course.storage, uri)
    assert found is not None
    assert found.manifest is not None
    losses = torch.zeros(found.manifest.step, dtype=torch.float64)
    load_finished(course.storage, uri, found, {"weights": projector.state_dict(), "losses": losses})
    return losses


def load_both(course: Course, uri: str, projector: Projector, model: LanguageModel) -> torch.Tensor:
    """Fill projector and language model from the final state of stage 2; the losses of its steps, float64 (steps,)."""
    found = finished(course.storage, uri)
    assert found is not None
    assert found.manifest is not None
    losses = torch.zeros(found.manifest.step, dtype=torch.float64)
    weights = {
        **{f"projector.{name}": value for name, value in projector.state_dict().items()},
        **{f"model.{name}": value for name, value in model.model.state_dict().items()},
    }
    load_finished(course.storage, uri, found, {"weights": weights, "losses": losses})
    return losses


def grid_of(encoder: Encoder) -> int:
    """Rows, and columns, of an encoder's square patch grid."""
    blank = torch.zeros(1, 3, encoder.resolution, encoder.resolution)
    return int(encoder.encode(blank).patches.shape[1])


def _free(folder: Path) -> int:
    """Free bytes on the volume of a folder, with what is in the folder already."""
    folder.mkdir(parents=True, exist_ok=True)
    there = sum(path.stat().st_size for path in folder.rglob("*.f16"))
    return shutil.disk_usage(folder).free + there
