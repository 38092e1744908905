"""CV-Bench 3D: accuracy on Omni3D images (Cambrian-1, section 3)."""

from __future__ import annotations

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.cvbench import layout, mean_over_sources, prompt

SOURCES = ("Omni3D",)
BENCHMARK = Benchmark(
    name="cvbench-3d",
    title="CV-Bench 3D",
    version=1,
    questions=1200,
    published="nyu-visionx/CV-Bench",
    layouts=(layout("3D", SOURCES),),
    prompt=prompt,
    score=mean_over_sources(SOURCES),
    new_tokens=512,
    category=Category.VISION_CENTRIC,
    column="CVB3D",
)
