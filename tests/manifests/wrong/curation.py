"""Wrong passes over a data set."""

from __future__ import annotations

from functools import partial

from tests.manifests.valid import valid_curation
from tests.manifests.wrong import row
from tests.manifests.wrong.row import DELETE, SPEC

Wrong = partial(row.Wrong, valid=valid_curation)

ROWS = [
    Wrong(
        "a name that is too long",
        "metadata.name",
        "a-name-of-more-than-forty-characters-in-all",
        "is longer than 40 characters",
    ),
    Wrong(
        "images at no storage address",
        SPEC + "data.source",
        "/mnt/shards/0.tar",
        "spec.data.source /mnt/shards/0.tar is not a storage address",
    ),
    Wrong(
        "images that are no shards",
        SPEC + "data.source",
        "s3://mc2b/images",
        "spec.data.source s3://mc2b/images names no shards",
    ),
    Wrong(
        "a table in several folders",
        SPEC + "output.uri",
        "s3://scores/{a,b}",
        "spec.output.uri s3://scores/{a,b} holds a pattern: name one folder",
    ),
    Wrong("no scorers", SPEC + "scorers", {}, "spec.scorers is empty: name at least one of text, vlm"),
    Wrong(
        "more heavy images than light ones",
        SPEC + "scorers.text",
        {"lightShare": 0.1, "heavyShare": 0.5},
        "is above lightShare",
    ),
    Wrong(
        "a model on a hub",
        SPEC + "scorers.vlm",
        {"model": "org/model"},
        "spec.scorers.vlm.model org/model is not a storage address",
    ),
    Wrong("an engine that is none", SPEC + "engine", "spark", "supported values", "engine"),
    Wrong("more ranges than a Job may have", SPEC + "ranges", 100000, "less than or equal to 1000", "1000"),
    Wrong("no place for the table", SPEC + "output", DELETE, "Required", "output"),
    Wrong("an unknown field", SPEC + "threshold", 0.5, 'unknown field "spec.threshold"', "threshold"),
]

CHANGES = [
    Wrong(
        "other images",
        SPEC + "data.source",
        "s3://shards/{004..007}.tar",
        "cannot be changed: the table depends on them",
    ),
    Wrong("other ranges", SPEC + "ranges", 3, "cannot be changed: the table depends on them"),
]
