"""The `vqa` suite from question files to scores."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from webssl_api.evaluation_vqa import VqaSuite

from webssl_eval.encoders import Encoder
from webssl_eval.images import Located, locate
from webssl_eval.language_models import (
    Prefixes,
    identity_of,
    local_folder,
)
from webssl_eval.suites.interface import Outcome, Workplace
from webssl_eval.suites.vqa.answerer import Answerer, tuned_answerer
from webssl_eval.suites.vqa.answering import answer_all, answer_room, exchanged
from webssl_eval.suites.vqa.benchmark_sets import (
    Asked,
    ask_benchmarks,
    check_pictures,
    digest_of,
    merged,
    parts_of,
    read_benchmarks,
    with_benchmarks,
)
from webssl_eval.suites.vqa.forms import check_template
from webssl_eval.suites.vqa.questions import QuestionFile, first_places, load_questions
from webssl_eval.suites.vqa.scoring import Answered, is_right, scores
from webssl_eval.suites.vqa.stages import Sets, read_sets
from webssl_eval.suites.vqa.visual_layer import at_layer
from webssl_eval.suites.vqa.visual_tokens import check_grid, compute_tokens


class VisualQuestions:
    """Scores: accuracy, prior (the most frequent training answer) and blind (about another image), also by kind of answer.

    With benchmarks also one for each of them, and the paper's means. With benchmarks or conversations questions are put as chat
    messages; see `forms`.
    """

    kind = "vqa"
    version = 3

    def __init__(self, spec: VqaSuite) -> None:
        self._spec = spec
        self._read: tuple[Asked, ...] | None = None
        self._sets: Sets | None = None

    @property
    def resolution(self) -> int | None:
        """See `Suite.resolution`."""
        return self._spec.resolution

    def data_digest(self, place: Workplace) -> str:
        """Over the rows of the training files, the test file's bytes, the places and sizes of images, and the language model."""
        if self._sets is not None:
            self._sets.close()
        self._sets = sets = read_sets(place.storage, self._spec, place.scratch)
        test = self._test(place)
        located = locate(place.storage, first_places(test.questions))
        places = sorted(f"{ref} {where.start} {where.end}" for ref, where in located.items())
        model = identity_of(self._spec.language_model)
        parts = [sets.first.digest, sets.second.digest, test.digest, model, *places]
        if self._spec.benchmarks is not None:
            parts.append(digest_of(self._spec.benchmarks, self._asked_by_all(place)))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def run(self, encoder: Encoder, place: Workplace) -> Outcome:
        """See `Suite.run`. Pods that run it at the same time for one checkpoint tune once; see `tuned`."""
        sets = self._sets or read_sets(place.storage, self._spec, place.scratch)
        try:
            with TemporaryDirectory(prefix="vqa-", dir=place.scratch) as folder:
                return self._run(at_layer(encoder, self._spec.layer), sets, place, Path(folder))
        finally:
            sets.close()
            self._sets = None

    def _test(self, place: Workplace) -> QuestionFile:
        return load_questions(place.storage, self._spec.test).front(self._spec.max_questions)

    def merge(self, parts: Sequence[Outcome], place: Workplace) -> Outcome:
        """See `Divisible.merge`. Held-out questions are all in the first part."""
        first = parts[0]
        images = sum(int(part.details.get("benchmarkImages", 0)) for part in parts)
        found = merged(self._asked_by_all(place), [part.files for part in parts], images)
        return with_benchmarks(first, found, whole=True)

    def _asked(self, place: Workplace) -> tuple[Asked, ...]:
        """The questions of the benchmarks that are answered here."""
        return parts_of(self._asked_by_all(place), place.part)

    def _asked_by_all(self, place: Workplace) -> tuple[Asked, ...]:
        """The questions of the benchmarks, read once."""
        if self._read is None:
            spec = self._spec.benchmarks
            self._read = () if spec is None else read_benchmarks(place.storage, spec)
        return self._read

    def _is_chat(self, sets: Sets) -> bool:
        return self._spec.benchmarks is not None or sets.is_chat

    def _check(self, encoder: Encoder, sets: Sets, place: Workplace, language_model: Path) -> None:
        """What can be known to fail before anything is trained."""
        check_grid(encoder)
        if self._is_chat(sets):
            check_template(self._spec.language_model, language_model)
        if self._spec.benchmarks is not None:
            check_pictures(self._asked(place), place)

    def _run(self, encoder: Encoder, sets: Sets, place: Workplace, folder: Path) -> Outcome:
        spec, clock = self._spec, _Clock()
        local = local_folder(spec.language_model, place.storage, place.scratch)
        self._check(encoder, sets, place, local)
        held_out = self._test(place) if place.part.first else None
        located = {} if held_out is None else locate(place.storage, first_places(held_out.questions))
        clock.lap("checks")
        answerer = tuned_answerer(self._spec, self._is_chat(sets), encoder, sets, place, folder, local)
        clock.lap("tuning")
        found = Outcome({}, 0, [], self._details(sets, answerer))
        if held_out is not None:
            found = self._ask(held_out, located, answerer, encoder, sets, place, folder, clock)
        if spec.benchmarks is not None:
            benchmarked = ask_benchmarks(
                self._asked(place),
                encoder,
                answerer.projector,
                answerer.model,
                spec.visual_tokens,
                place,
                folder,
            )
            clock.lap("benchmarks")
            found = with_benchmarks(found, benchmarked, place.part.whole)
        return replace(found, details={**found.details, "seconds": clock.laps})

    def _ask(
        self,
        test: QuestionFile,
        located: Located,
        answerer: Answerer,
        encoder: Encoder,
        sets: Sets,
        place: Workplace,
        folder: Path,
        clock: _Clock,
    ) -> Outcome:
        """The held-out questions."""
        table = compute_tokens(
            encoder,
            place.storage,
            located,
            first_places(test.questions),
            self._spec.visual_tokens,
            folder / "test.npy",
            partial(place.progress, "test images"),
        )
        clock.lap("features")
        projector, model, form = answerer.projector, answerer.model, answerer.form
        room = answer_room(form, {answer for _, answer in sets.answers})
        ask = partial(
            answer_all, projector, model, form, Prefixes(model), test.questions, table=table, most=room
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
        details = {**self._details(sets, answerer), "testImages": len(table)}
        return Outcome(scores(answered, sets.answers), len(answered), _predictions(test, answered), details)

    def _details(self, sets: Sets, answerer: Answerer) -> dict[str, Any]:
        first, *later = answerer.losses
        found = {
            "trainQuestions": len(sets.first),
            "trainImages": sets.first.image_count,
            "visualTokens": self._spec.visual_tokens,
            "languageModel": identity_of(self._spec.language_model),
            "firstLoss": float(first[0]),
            "lastLoss": float(first[-10:].mean()),
        }
        for losses in later:
            found |= {
                "stage2Rows": len(sets.second),
                "stage2FirstLoss": float(losses[0]),
                "stage2LastLoss": float(losses[-10:].mean()),
            }
        return found


def _predictions(test: QuestionFile, answered: Sequence[Answered]) -> list[dict[str, Any]]:
    return [
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


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now
