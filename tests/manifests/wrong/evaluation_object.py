"""Wrong evaluations of one checkpoint."""

from __future__ import annotations

from functools import partial

from tests.manifests.valid import valid_evaluation
from tests.manifests.wrong import row
from tests.manifests.wrong.row import DELETE, SPEC

Wrong = partial(row.Wrong, valid=valid_evaluation)
_KNN = {"train": "s3://labelled/a.tar", "test": "s3://labelled/b.tar"}

ROWS = [
    Wrong(
        "a name that is too long",
        "metadata.name",
        "a-name-of-more-than-forty-characters-in-all",
        "is longer than 40 characters",
    ),
    Wrong(
        "a checkpoint at no storage address",
        SPEC + "checkpoint.uri",
        "models/dinov2-small",
        "spec.checkpoint.uri models/dinov2-small is not a storage address",
    ),
    Wrong(
        "several checkpoints",
        SPEC + "checkpoint.uri",
        "s3://models/*",
        "spec.checkpoint.uri s3://models/* holds a pattern: name one folder",
    ),
    Wrong("a digest that is none", SPEC + "checkpoint.digest", "newest", "should match", "digest"),
    Wrong(
        "nothing that says what the checkpoint is of",
        SPEC + "encoder",
        DELETE,
        "by exactly one of run and encoder",
    ),
    Wrong("a run and an encoder", SPEC + "run", {"name": "small"}, "by exactly one of run and encoder"),
    Wrong(
        "images that no whole number of patches covers",
        SPEC + "encoder.resolution",
        500,
        "spec.encoder.resolution 500 or viewResolution is not a multiple of patchSize 14",
    ),
    Wrong("a size that is none", SPEC + "encoder.size", "9B", "supported values", "size"),
    Wrong("no suites", SPEC + "suites", [], "should have at least 1 items", "suites"),
    Wrong(
        "two suites of one name",
        SPEC + "suites",
        [{"knn": _KNN}, {"knn": _KNN}],
        "spec.suites: two suites have the same name",
    ),
    Wrong("an unknown field", SPEC + "policy", "always", 'unknown field "spec.policy"', "policy"),
]

CHANGES = [
    Wrong(
        "another checkpoint",
        SPEC + "checkpoint.uri",
        "s3://models/dinov2-base",
        "cannot be changed: scores are of one checkpoint",
    ),
    Wrong("another encoder", SPEC + "encoder.size", "B", "cannot be changed: scores are of one checkpoint"),
]
