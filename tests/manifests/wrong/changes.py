"""Changes of the valid run that are refused."""

from __future__ import annotations

from tests.manifests.wrong.row import SPEC, Wrong

ROWS = [
    Wrong("another model", SPEC + "model.size", "S", "spec.model cannot be changed"),
    Wrong(
        "other weights to start from",
        SPEC + "model.startFrom",
        {"checkpoint": "s3://runs/other"},
        "spec.model cannot be changed",
    ),
    Wrong("another patch", SPEC + "model.patchSize", 28, "spec.model cannot be changed"),
    Wrong("another objective", SPEC + "objective.dino.localCrops", 4, "spec.objective cannot be changed"),
    Wrong("another batch", SPEC + "schedule.globalBatchSize", 64, "spec.schedule cannot be changed"),
    Wrong("another length", SPEC + "schedule.stages.0.samples", 640, "spec.schedule cannot be changed"),
    Wrong("another rate", SPEC + "optimizer", {"learningRate": 0.01}, "spec.optimizer cannot be changed"),
    Wrong(
        "other data",
        SPEC + "data.source",
        "s3://other/{0..1}.tar",
        "spec.data.source and spec.data.seed cannot be changed",
    ),
    Wrong(
        "a filter where there was none",
        SPEC + "data.filter",
        {"table": "s3://scores/all.parquet"},
        "spec.data.filter cannot be changed: the sample order depends on it",
    ),
    Wrong(
        "neighbours where they were left to the run",
        SPEC + "data.neighbours",
        16,
        "spec.data.neighbours cannot be changed: the sample order depends on it",
    ),
    Wrong("another seed", SPEC + "data.seed", 1, "spec.data.source and spec.data.seed cannot be changed"),
    Wrong(
        "another checkpoint folder",
        SPEC + "checkpoint.uri",
        "s3://runs/other",
        "spec.checkpoint.uri cannot be changed",
    ),
]
