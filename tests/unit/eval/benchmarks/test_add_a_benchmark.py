"""docs/add-a-benchmark.md, done as it says: one file, one registration, one test."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner
from webssl_cli.main import make_app
from webssl_eval.benchmarks import registry
from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.benchmarks.scoring import means, score

from tests.unit.eval.benchmarks.contract import PAPER, keeps_the_contract
from tests.unit.eval.benchmarks.published import WRITERS
from tests.unit.eval.benchmarks.tables import TABLES

PAGE = Path(__file__).parents[4] / "docs" / "add-a-benchmark.md"
MODULE = "webssl_eval.benchmarks.pope"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def module(name: str, code: str) -> types.ModuleType:
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec(compile(code, name, "exec"), made.__dict__)
    return made


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Benchmark, types.ModuleType]]:
    """The benchmark of the page, registered, and the page's test."""
    file, test = blocks()
    benchmark: Benchmark = module(MODULE, file).BENCHMARK
    monkeypatch.setattr(registry, "BENCHMARKS", (*BENCHMARKS, benchmark))
    yield benchmark, module("page_test", test)
    del sys.modules[MODULE], sys.modules["page_test"]


def test_the_pages_test_passes(added: tuple[Benchmark, types.ModuleType], tmp_path: Path) -> None:
    added[1].test_pope_keeps_the_contract(tmp_path)


def test_the_commands_know_the_new_benchmark_from_its_registration(
    added: tuple[Benchmark, types.ModuleType], tmp_path: Path
) -> None:
    added[1].write(tmp_path / "pope", 6)
    result = CliRunner().invoke(
        make_app(with_cluster=False), ["eval", "data", "check", tmp_path.as_uri(), "--only", "pope"]
    )
    assert result.exit_code == 0, result.output
    assert "pope        other size   2       6           9000        6" in result.output


def test_the_papers_averages_are_over_the_sixteen_still(added: tuple[Benchmark, types.ModuleType]) -> None:
    (benchmark, _) = added
    case = next(case for case in TABLES["mme-p"] if case.credit == 1)
    found = means([score(benchmark, [case.reference], {"q": case.text})], registry.BENCHMARKS)
    assert (found.total.value, found.total.counted, found.total.declared) == (None, 0, 16)


def test_the_page_is_no_longer_than_a_page() -> None:
    assert len(PAGE.read_text().splitlines()) < 90


@pytest.mark.parametrize("benchmark", PAPER, ids=lambda benchmark: benchmark.name)
def test_the_papers_benchmarks_keep_the_same_contract(benchmark: Benchmark, tmp_path: Path) -> None:
    keeps_the_contract(benchmark, WRITERS[benchmark.name], TABLES[benchmark.name], tmp_path)
