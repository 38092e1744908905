"""Wrong data and checkpoint addresses, filters and mixtures."""

from __future__ import annotations

from tests.manifests.wrong.row import SPEC, Wrong

ROWS = [
    Wrong(
        "a size of the cache without a unit",
        SPEC + "data.cache",
        {"size": "100"},
        "should match",
        "size",
    ),
    Wrong(
        "a cache in a folder that is there and in a volume",
        SPEC + "data.cache",
        {"size": "100Gi", "path": "/nvme", "storageClassName": "local"},
        "spec.data.cache.path /nvme is a folder that exists",
    ),
    Wrong(
        "a malformed address of the weights to start from",
        SPEC + "model.startFrom",
        {"checkpoint": "runs/dino-7b"},
        "spec.model.startFrom.checkpoint runs/dino-7b is not a storage address",
    ),
    Wrong(
        "a pattern as the weights to start from",
        SPEC + "model.startFrom",
        {"checkpoint": "s3://runs/dino-{a,b}"},
        "s3://runs/dino-{a,b} holds a pattern: name one folder",
    ),
    Wrong(
        "a digest that is none",
        SPEC + "model.startFrom",
        {"checkpoint": "s3://runs/dino-7b", "digest": "newest"},
        "should match",
        "digest",
    ),
    Wrong(
        "weights to start from in the run's own folder",
        SPEC + "model.startFrom",
        {"checkpoint": "s3://runs/small/checkpoints/attempt-00000001-0123456789abcdef/step-000000000010"},
        "is in this run's own spec.checkpoint.uri s3://runs/small",
    ),
    Wrong(
        "a malformed data address",
        SPEC + "data.source",
        "mc2b/{0..9}.tar",
        "mc2b/{0..9}.tar is not a storage address",
    ),
    Wrong(
        "a filter's table that is no address",
        SPEC + "data.filter",
        {"table": "scores.parquet"},
        "spec.data.filter.table scores.parquet is not a storage address",
    ),
    Wrong(
        "a folder with the shard index that is no address",
        SPEC + "data.index",
        "indexes/mc2b",
        "spec.data.index indexes/mc2b is not a storage address",
    ),
    Wrong(
        "an index of a mixture's shards that is no address",
        SPEC + "data.mix",
        [{"source": "s3://mc2b/more/{0..9}.tar", "index": "/indexes/more"}],
        "spec.data.mix[].index /indexes/more is not a storage address",
    ),
    Wrong(
        "a mixture of what is no shards",
        SPEC + "data.mix",
        [{"source": "s3://mc2b/images"}],
        "spec.data.mix[].source s3://mc2b/images names no shards: end it in .tar",
    ),
    Wrong("a bucket name in capitals", SPEC + "data.source", "s3://MC2B/0.tar", "is not a storage address"),
    Wrong(
        "data that are no shards", SPEC + "data.source", "s3://mc2b/images", "names no shards: end it in .tar"
    ),
    Wrong("three neighbours", SPEC + "data.neighbours", 3, "Unsupported value", "should be 1, 2, 4"),
    Wrong(
        "a storage endpoint without scheme",
        SPEC + "data.storage.endpoint",
        "s3.local:80",
        "should match",
        "endpoint",
    ),
    Wrong(
        "credentials in an endpoint",
        SPEC + "data.storage.endpoint",
        "http://key:word@s3.local",
        "should match",
        "endpoint",
    ),
    Wrong(
        "a negative seed", SPEC + "data.seed", -1, "greater than or equal to 0", "greater than or equal to 0"
    ),
    Wrong(
        "a share of bad samples above one",
        SPEC + "data.maxBadFraction",
        1.5,
        "less than or equal to 1",
        "or equal to 1",
    ),
    Wrong(
        "a checkpoint address without bucket",
        SPEC + "checkpoint.uri",
        "s3://",
        "spec.checkpoint.uri s3:// is not a storage",
    ),
    Wrong(
        "a pattern as checkpoint folder",
        SPEC + "checkpoint.uri",
        "s3://runs/*",
        "s3://runs/* holds a pattern: name one folder",
    ),
    Wrong(
        "checkpoints more often than steps",
        SPEC + "checkpoint.interval.samples",
        1,
        "less than one step of 32 samples",
    ),
    Wrong(
        "no checkpoint kept",
        SPEC + "checkpoint.keep",
        0,
        "greater than or equal to 1",
        "greater than or equal to 1",
    ),
]
