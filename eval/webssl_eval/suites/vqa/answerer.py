"""What answers questions: projector and language model, tuned through the stages of a suite, or found tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from webssl_api.evaluation_vqa import VqaSuite
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.loop.processes import Processes

from webssl_eval.encoders import Encoder
from webssl_eval.language_models import LanguageModel, contents_of, load_language_model
from webssl_eval.suites.interface import Kept, Workplace
from webssl_eval.suites.vqa.forms import Chat, Form, QuestionFirst
from webssl_eval.suites.vqa.processes import Order, run_together, steps_done
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.saved import digest_of
from webssl_eval.suites.vqa.stage import Course, Stage
from webssl_eval.suites.vqa.stages import Sets, features_identity, stages_of
from webssl_eval.suites.vqa.tuned import tuned
from webssl_eval.suites.vqa.tuning import load_both, load_projector, run_stage
from webssl_eval.suites.vqa.visual_layer import at_layer


@dataclass(frozen=True)
class Answerer:
    """What answers: the tuned networks, and how questions are put to them. losses: of each stage's steps."""

    projector: Projector
    model: LanguageModel
    form: Form
    losses: Sequence[torch.Tensor]


def tuned_answerer(
    spec: VqaSuite, chat: bool, encoder: Encoder, sets: Sets, place: Workplace, folder: Path, model: Path
) -> Answerer:
    """Tune through all stages, or find them tuned, and load the result.

    Args:
        spec: the suite.
        chat: whether questions are put as chat messages.
        encoder: frozen.
        sets: what the stages learn from.
        place: where it runs; without a place to keep results, they are lost with `folder`.
        folder: for files of this run.
        model: the language model's folder.
    """
    features = features_identity(spec, place.kept.digest if place.kept else "", encoder.name)
    kept = place.kept.folder if place.kept else (folder / "kept").as_uri()
    course = Course(
        language_model=model,
        chat=chat,
        tokens=spec.visual_tokens,
        max_length=spec.max_length,
        micro_batch=spec.micro_batch_size,
        save_every=spec.save_every,
        features=spec.features,
        features_digest=digest_of(features),
        kept=kept,
        storage=place.storage,
        scratch=place.scratch if place.kept else folder,
    )
    stages = stages_of(spec, sets, chat, contents_of(model), features, kept)
    for stage in stages:
        _tune_stage(stage, course, encoder, place, spec)
    language_model = load_language_model(model, place.device)
    form: Form = Chat(language_model) if chat else QuestionFirst(language_model)
    mean, spread = torch.zeros(2, encoder.width).unbind()  # the stored ones take their places
    projector = Projector(mean.clone(), spread.clone(), language_model.width, 1.0, spec.seed)
    losses = [load_projector(course, stages[0].uri, projector)]
    if len(stages) == 2:
        losses.append(load_both(course, stages[1].uri, projector, language_model))
    return Answerer(projector.to(place.device).requires_grad_(False), language_model, form, losses)


def _tune_stage(stage: Stage, course: Course, encoder: Encoder, place: Workplace, spec: VqaSuite) -> None:
    """Tune one stage, unless it is tuned: in this process, or in several where the machine has several GPUs."""
    at, steps = [0], stage.recipe.steps

    def told(done: int, _total: int) -> None:
        at[0] = done

    def alone() -> None:
        processes = Processes(place.device, None, Peers(), Peers())
        run_stage(stage, course, lambda _: encoder, processes, place.progress, told)

    kept = place.kept
    if kept is not None and kept.processes > 1:
        order = Order(stage, course, partial(_encoder_at, kept, spec.resolution, spec.layer))
        together = partial(run_together, order, kept.processes)
        tuned(
            course.storage, stage.uri, together, lambda: (steps_done(course.scratch), steps), place.progress
        )
    else:
        tuned(course.storage, stage.uri, alone, lambda: (at[0], steps), place.progress)


def _encoder_at(kept: Kept, resolution: int | None, layer: int | None, device: torch.device) -> Encoder:
    return at_layer(kept.encoder_at(resolution, device), layer)
