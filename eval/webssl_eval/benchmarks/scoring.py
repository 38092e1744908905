"""Scores of predictions, with what must be said beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from webssl_trainer.errors import UserError

from webssl_eval.benchmarks.averages import Averages, averages
from webssl_eval.benchmarks.benchmark import Benchmark, Scored
from webssl_eval.benchmarks.question import Reference


@dataclass(frozen=True)
class Result:
    """A benchmark's score. questions: how many it is over. unanswered: how many of them had no prediction and count as wrong."""

    benchmark: Benchmark
    scored: Scored
    questions: int
    unanswered: int

    @property
    def label(self) -> str:
        """What the score is not; "" when it is over the published questions, all answered."""
        published = self.benchmark.questions
        said = []
        if self.questions != published:
            said.append(f"over {self.questions} questions, published are {published}")
        if self.scored.absent:
            said.append(f"without {', '.join(self.scored.absent)}")
        if self.unanswered:
            said.append(f"{self.unanswered} unanswered count as wrong")
        return "; ".join(said)


def score(
    benchmark: Benchmark,
    references: Sequence[Reference],
    answers: Mapping[str, str],
    *,
    allow_missing: bool = False,
) -> Result:
    """Score the answers to a benchmark's questions.

    Args:
        benchmark: which one.
        references: of all its questions.
        answers: the model's texts by id.
        allow_missing: count questions without an answer as wrong, and say so, instead of refusing.

    Raises:
        UserError: no references, an answer to no question, or a question without answer.
    """
    if not references:
        raise UserError(
            f"{benchmark.name}: there are no references to score against; name the folder of its data"
        )
    ids = {reference.id for reference in references}
    unknown = sorted(answers.keys() - ids)
    if unknown:
        raise UserError(
            f"{benchmark.name}: id: {unknown[0]!r} is no question's ({len(unknown)} such predictions); score against "
            "the data that the questions came from"
        )
    missing = [reference.id for reference in references if reference.id not in answers]
    if missing and not allow_missing:
        raise UserError(
            f"{benchmark.name}: {len(missing)} of {len(references)} questions have no prediction, first {missing[0]!r}; "
            "add the missing file, or allow missing ones to count them as wrong"
        )
    complete = {**dict.fromkeys(missing, ""), **answers}
    return Result(benchmark, benchmark.score(references, complete), len(references), len(missing))


def means(results: Iterable[Result], benchmarks: Iterable[Benchmark]) -> Averages:
    """Category means and total of results; labelled where a benchmark lacks or is over a part of its questions."""
    found = list(results)
    values = {result.benchmark.name: result.scored.value for result in found}
    return averages(values, benchmarks, [result.benchmark.name for result in found if result.label])
