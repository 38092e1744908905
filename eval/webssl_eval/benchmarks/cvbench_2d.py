"""CV-Bench 2D: the mean of the accuracies on ADE20K and on COCO images (Cambrian-1, section 3)."""

from __future__ import annotations

from webssl_eval.benchmarks.benchmark import Benchmark, Category
from webssl_eval.benchmarks.cvbench import layout, mean_over_sources, prompt

SOURCES = ("ADE20K", "COCO")
BENCHMARK = Benchmark(
    name="cvbench-2d",
    title="CV-Bench 2D",
    version=1,
    questions=1438,
    published="nyu-visionx/CV-Bench",
    layouts=(layout("2D", SOURCES),),
    prompt=prompt,
    score=mean_over_sources(SOURCES),
    new_tokens=512,
    category=Category.VISION_CENTRIC,
    column="CVB2D",
)
