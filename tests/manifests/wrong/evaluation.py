"""Wrong evaluation suites."""

from __future__ import annotations

from tests.manifests.wrong.row import SPEC, Wrong

_KNN = {"train": "s3://labelled/a.tar", "test": "s3://labelled/b.tar"}
_TWO_UNNAMED = [{"knn": _KNN}, {"knn": _KNN}]
_BOTH_KINDS = [
    {"knn": _KNN, "vqa": {"train": "s3://vqa/a", "test": "s3://vqa/b", "languageModel": "/models/lm"}}
]

ROWS = [
    Wrong(
        "a suite of no kind",
        SPEC + "evaluation.suites",
        [{}],
        "each suite must name exactly one of vqa, knn",
    ),
    Wrong(
        "a suite of two kinds",
        SPEC + "evaluation.suites",
        _BOTH_KINDS,
        "each suite must name exactly one of vqa, knn",
    ),
    Wrong(
        "two suites of one name", SPEC + "evaluation.suites", _TWO_UNNAMED, "two suites have the same name"
    ),
    Wrong(
        "evaluation on the way without a suite",
        SPEC + "evaluation",
        {"periodic": {"everySamples": 64}},
        "spec.evaluation.periodic has no suites to run: list them in spec.evaluation.suites",
    ),
    Wrong(
        "evaluation on the way with a suite that is none",
        SPEC + "evaluation.periodic",
        {"everySamples": 64, "suites": ["knn", "probe"]},
        "spec.evaluation.periodic.suites: each must be the name of one of spec.evaluation.suites",
    ),
    Wrong(
        "evaluation on the way after no samples",
        SPEC + "evaluation.periodic",
        {"everySamples": 0},
        "everySamples",
    ),
    Wrong(
        "visual tokens that are no square",
        SPEC + "evaluation.suites.1.vqa.visualTokens",
        15,
        "visualTokens 15 is no square",
    ),
    Wrong(
        "sequences too short for an image",
        SPEC + "evaluation.suites.1.vqa.maxLength",
        16,
        "visualTokens 16 leave no room for text in maxLength 16: raise maxLength",
    ),
    Wrong(
        "images of conversations at a malformed address",
        SPEC + "evaluation.suites.1.vqa.images",
        "images",
        "vqa.images images is not a storage address",
    ),
    Wrong(
        "data of stage 2 at a malformed address",
        SPEC + "evaluation.suites.1.vqa.stage2",
        {"train": "cambrian.json"},
        "vqa.stage2.train cambrian.json is not a storage address",
    ),
    Wrong(
        "images of stage 2 at a malformed address",
        SPEC + "evaluation.suites.1.vqa.stage2",
        {"images": "images"},
        "vqa.stage2.images images is not a storage address",
    ),
    Wrong(
        "benchmarks at a malformed address",
        SPEC + "evaluation.suites.1.vqa.benchmarks",
        {"data": "benchmarks"},
        "vqa.benchmarks.data benchmarks is not a storage address",
    ),
    Wrong(
        "a shard that does not exist",
        SPEC + "evaluation.suites.1.vqa.benchmarks",
        {"data": "s3://eval/benchmarks", "shards": 4, "shard": 4},
        "shard 4 is none of 4 shards: count from 0",
    ),
    Wrong(
        "a malformed evaluation address",
        SPEC + "evaluation.suites.0.knn.test",
        "labelled/test.tar",
        "labelled/test.tar is not a storage address",
    ),
    Wrong(
        "a linear probe at a malformed address",
        SPEC + "evaluation.suites.0",
        {"linear": {**_KNN, "train": "train.tar"}},
        "suites.linear.train train.tar is not a storage address",
    ),
    Wrong(
        "a linear probe that holds all images out",
        SPEC + "evaluation.suites.0",
        {"linear": {**_KNN, "heldOut": 1.5}},
        "should be less than 1",
    ),
    Wrong(
        "segmentation by an unknown head",
        SPEC + "evaluation.suites.0",
        {"segmentation": {**_KNN, "variant": "upernet"}},
        "Unsupported value",
        "should be 'linear' or 'ms'",
    ),
    Wrong(
        "segmentation of one class",
        SPEC + "evaluation.suites.0",
        {"segmentation": {**_KNN, "classes": 1}},
        "should be greater than or equal to 2",
    ),
    Wrong(
        "depths that end before they begin",
        SPEC + "evaluation.suites.0",
        {"depth": {**_KNN, "minDepth": 10, "maxDepth": 2}},
        "suites.depth.minDepth minDepth is not below maxDepth maxDepth: lower it",
        "suites.depth.minDepth 10.0 is not below maxDepth 2.0: lower it",
    ),
    Wrong(
        "more neighbours than pairs",
        SPEC + "evaluation.suites.0",
        {"alignment": {"pairs": "s3://pairs/a.tar", "languageModel": "/models/lm", "k": 12, "maxPairs": 12}},
        "suites.alignment.k 12 is not below maxPairs 12: lower it",
    ),
    Wrong(
        "zero-shot of nothing",
        SPEC + "evaluation.suites.0",
        {"zeroshot": {"pairs": "s3://pairs/a.tar"}},
        "zeroshot has nothing to measure: name test (labelled images), testPairs (images with captions), or both",
    ),
    Wrong(
        "prompts without labelled images",
        SPEC + "evaluation.suites.0",
        {
            "zeroshot": {
                "pairs": "s3://pairs/a.tar",
                "testPairs": "s3://pairs/b.tar",
                "prompts": "s3://pairs/p.txt",
            }
        },
        "zeroshot: classNames and prompts are of no use without test",
    ),
    Wrong(
        "captions that are no address",
        SPEC + "evaluation.suites.0",
        {"zeroshot": {"pairs": "s3://pairs/a.tar", "testPairs": "coco.json"}},
        "zeroshot.testPairs coco.json is not a storage address",
    ),
    Wrong(
        "an unknown tokenizer of the zero-shot suite",
        SPEC + "evaluation.suites.0",
        {"zeroshot": {"pairs": "s3://pairs/a.tar", "test": "s3://pairs/b.tar", "tokenizer": "bert"}},
        "zeroshot.tokenizer bert is unknown: write clip, bytes",
    ),
]
