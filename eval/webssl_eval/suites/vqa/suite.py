"""The `vqa` suite from question files to scores."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from webssl_api.evaluation import VqaSuite

from webssl_eval.encoders import Encoder
from webssl_eval.images import Located, locate
from webssl_eval.language_models import Prefixes, identity_of, load_language_model, local_folder
from webssl_eval.suites.interface import Outcome, Workplace
from webssl_eval.suites.vqa.answering import answer_all, answer_room, exchanged
from webssl_eval.suites.vqa.benchmark_sets import (
    Asked,
    ask_benchmarks,
    check_pictures,
    digest_of,
    read_benchmarks,
)
from webssl_eval.suites.vqa.forms import Chat, QuestionFirst, check_template
from webssl_eval.suites.vqa.projector import Projector
from webssl_eval.suites.vqa.questions import QuestionFile, first_places, load_questions
from webssl_eval.suites.vqa.scoring import Answered, is_right, scores
from webssl_eval.suites.vqa.tuning import Recipe, order_of, tune
from webssl_eval.suites.vqa.visual_tokens import check_grid, compute_tokens


class VisualQuestions:
    """Scores: accuracy, prior (the most frequent training answer) and blind (about another image), also by kind of answer.

    With benchmarks also one for each of them, and the paper's means. All questions are then put as chat messages; see `forms`.
    """

    kind = "vqa"
    version = 1

    def __init__(self, spec: VqaSuite) -> None:
        self._spec = spec
        self._read: tuple[Asked, ...] | None = None

    @property
    def resolution(self) -> int | None:
        """See `Suite.resolution`: always the run's own."""
        return None

    def data_digest(self, place: Workplace) -> str:
        """Over the question files' bytes, the places and sizes of their images, and the language model's identity."""
        train, test = self._files(place)
        located = locate(place.storage, first_places([*train.questions, *test.questions]))
        places = sorted(f"{ref} {where.start} {where.end}" for ref, where in located.items())
        parts = [train.digest, test.digest, identity_of(self._spec.language_model), *places]
        if self._spec.benchmarks is not None:
            parts.append(digest_of(self._spec.benchmarks, self._asked(place)))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """See `Suite.run`."""
        with TemporaryDirectory(prefix="vqa-", dir=_made(place.scratch)) as folder:
            return self._run(encoder, place, Path(folder))

    def _files(self, place: Workplace) -> tuple[QuestionFile, QuestionFile]:
        test = load_questions(place.storage, self._spec.test).front(self._spec.max_questions)
        return load_questions(place.storage, self._spec.train), test

    def _asked(self, place: Workplace) -> tuple[Asked, ...]:
        """The questions of the benchmarks, read once."""
        if self._read is None:
            spec = self._spec.benchmarks
            self._read = () if spec is None else read_benchmarks(place.storage, spec)
        return self._read

    def _check(self, encoder: Encoder, place: Workplace, language_model: Path) -> None:
        """What can be known to fail before anything is trained."""
        check_grid(encoder)
        if self._spec.benchmarks is not None:
            check_template(self._spec.language_model, language_model)
            check_pictures(self._asked(place), place)

    def _run(self, encoder: Encoder, place: Workplace, folder: Path) -> Outcome:
        spec, clock = self._spec, _Clock()
        train, test = self._files(place)
        local = local_folder(spec.language_model, place.storage, place.scratch)
        self._check(encoder, place, local)
        clock.lap("checks")
        recipe = Recipe(spec.steps, spec.batch_size, spec.learning_rate, spec.seed)
        # Only questions that the tuning will see need features.
        seen = sorted({number for step in order_of(len(train.questions), recipe) for number in step})
        train_places = first_places([train.questions[number] for number in seen])
        test_places = first_places(test.questions)
        located: Located = locate(place.storage, train_places | test_places)
        tokens = partial(compute_tokens, encoder, place.storage, located, tokens=spec.visual_tokens)
        train_table = tokens(
            places=train_places,
            path=folder / "train.npy",
            progress=partial(place.progress, "training images"),
        )
        test_table = tokens(
            places=test_places, path=folder / "test.npy", progress=partial(place.progress, "test images")
        )
        clock.lap("features")
        model = load_language_model(local, place.device)
        form = QuestionFirst(model) if spec.benchmarks is None else Chat(model)
        clock.lap("languageModel")
        mean, spread = train_table.moments()
        projector = Projector(mean, spread, model.width, model.embedding_scale(), spec.seed).to(place.device)
        prefixes = Prefixes(model)
        losses = tune(
            projector,
            model,
            form,
            prefixes,
            train.questions,
            train_table,
            recipe,
            partial(place.progress, "projector steps"),
        )
        clock.lap("tuning")
        room = answer_room(form, train.questions)
        ask = partial(
            answer_all, projector, model, form, prefixes, test.questions, table=test_table, most=room
        )
        images = [question.image for question in test.questions]
        answers = ask(images=images, progress=partial(place.progress, "questions"))
        clock.lap("answers")
        blind = ask(
            images=exchanged(images), progress=partial(place.progress, "questions about another image")
        )
        clock.lap("blindAnswers")
        answered = [
            Answered(question.id, question.kind, question.answer, answer, without)
            for question, answer, without in zip(test.questions, answers, blind, strict=True)
        ]
        predictions = [
            {
                "id": question.id,
                "question": question.question,
                "reference": item.reference,
                "answer": item.answer.strip(),
                "blind": item.blind.strip(),
                "right": is_right(item.answer, item.reference),
                **({"type": item.kind} if item.kind else {}),
            }
            for question, item in zip(test.questions, answered, strict=True)
        ]
        details = {
            "trainQuestions": len(train.questions),
            "trainImages": len(train_table),
            "testImages": len(test_table),
            "visualTokens": spec.visual_tokens,
            "languageModel": identity_of(spec.language_model),
            "firstLoss": losses[0],
            "lastLoss": sum(losses[-10:]) / len(losses[-10:]),
            "seconds": clock.laps,
        }
        table = scores(answered, [(question.kind, question.answer) for question in train.questions])
        found = Outcome(table, len(answered), predictions, details)
        if spec.benchmarks is None:
            return found
        benchmarked = ask_benchmarks(
            self._asked(place), encoder, projector, model, spec.visual_tokens, place, folder
        )
        clock.lap("benchmarks")
        more = {"benchmarkQuestions": benchmarked.questions, "benchmarkImages": benchmarked.images}
        return replace(
            found,
            scores={**table, **benchmarked.scores},
            details={**details, **more},
            files=benchmarked.files,
        )


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
