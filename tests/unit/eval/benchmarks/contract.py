"""What every benchmark must hold to. A new one's test is a table, a writer of a tiny set, and `keeps_the_contract`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.checking import State, check, questions
from webssl_eval.benchmarks.predictions import Prediction, collected, parsed, written
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.benchmarks.scoring import score
from webssl_trainer.storage import open_storage

from tests.unit.eval.benchmarks.tables.case import Case

PAPER = [benchmark for benchmark in BENCHMARKS if benchmark.category is not None]
"""Those that the paper averages."""

SMALL = 10


def keeps_the_contract(
    benchmark: Benchmark, write: Callable[[Path, int], None], table: Sequence[Case], root: Path
) -> None:
    """Fails where a benchmark does not do what the others do.

    Args:
        benchmark: the new one.
        write: writes about so many questions into a folder, in the published layout.
        table: at least thirty tricky answers with what they earn.
        root: an empty folder.
    """
    storage, uri = open_storage(), root.as_uri()
    assert check(storage, uri, benchmark, images=False).state is State.MISSING
    write(root / benchmark.name, SMALL)
    checked = check(storage, uri, benchmark, images=True)
    assert (checked.problems, checked.questions > 0) == ((), True)

    asked = questions(storage, uri, benchmark)
    for question in asked:
        picture, *text = benchmark.prompt(question)
        assert picture == question.pictures[0]
        assert question.text.split()[-1] in "\n".join(map(str, text))

    references = [question.reference for question in asked]
    copies = {reference.id: reference.answers[0] for reference in references}
    lines = written(
        Prediction(benchmark=benchmark.name, version=benchmark.version, id=identity, text=text)
        for identity, text in copies.items()
    )
    kept = collected(parsed(lines, "predictions.jsonl", Prediction), {benchmark.name: benchmark})
    full = score(benchmark, references, kept[benchmark.name]).scored
    assert set(full.credits.values()) == {1.0}
    half = {identity: text if number % 2 else "?" for number, (identity, text) in enumerate(copies.items())}
    part = benchmark.score(references, half)
    assert 0 <= part.value < full.value
    assert benchmark.score(references[::-1], half) == part

    assert len({(case.text, case.references) for case in table}) == len(table) >= 30
    for case in table:
        earned = benchmark.score([case.reference], {"q": case.text}).credits["q"]
        assert earned == pytest.approx(case.credit, abs=1e-12), case
