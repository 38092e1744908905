"""The benchmarks by name, in the order of the paper's table."""

from __future__ import annotations

from collections.abc import Iterable

from webssl_trainer.errors import UserError

from webssl_eval.benchmarks import (
    ai2d,
    chartqa,
    cvbench_2d,
    cvbench_3d,
    docvqa,
    gqa,
    mathvista,
    mmbench,
    mme,
    mmmu,
    mmvp,
    ocrbench,
    realworldqa,
    scienceqa,
    seed,
    textvqa,
)
from webssl_eval.benchmarks.benchmark import Benchmark

BENCHMARKS: tuple[Benchmark, ...] = (
    mme.BENCHMARK,
    mmbench.BENCHMARK,
    seed.BENCHMARK,
    gqa.BENCHMARK,
    scienceqa.BENCHMARK,
    mmmu.BENCHMARK,
    mathvista.BENCHMARK,
    ai2d.BENCHMARK,
    chartqa.BENCHMARK,
    ocrbench.BENCHMARK,
    textvqa.BENCHMARK,
    docvqa.BENCHMARK,
    mmvp.BENCHMARK,
    realworldqa.BENCHMARK,
    cvbench_2d.BENCHMARK,
    cvbench_3d.BENCHMARK,
)


def by_name() -> dict[str, Benchmark]:
    """Every benchmark by its name."""
    return {benchmark.name: benchmark for benchmark in BENCHMARKS}


def named(names: Iterable[str]) -> tuple[Benchmark, ...]:
    """The benchmarks of those names in the registry's order; all for no name.

    Raises:
        UserError: a name is unknown.
    """
    known = by_name()
    wanted = set(names)
    for name in sorted(wanted - known.keys()):
        raise UserError(f"benchmark {name!r} is unknown; use one of {', '.join(known)}")
    return tuple(benchmark for benchmark in known.values() if not wanted or benchmark.name in wanted)
