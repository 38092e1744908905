"""Wrong manifests, what is wrong with each, and what the user must read.

`CREATE` is refused when it is created; `CHANGE` is refused as a change of the valid run. `says` is part of the API
server's message. `python_says` is part of our own parser's message where the two word it differently (both name the
field); None where only the API server can know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.manifests.valid import valid_run


@dataclass(frozen=True)
class Wrong:
    """One wrong manifest: a dotted path below the object, the value put there (`DELETE` removes it), the message."""

    name: str
    path: str
    value: Any
    says: str
    python_says: str | None = None

    def manifest(self) -> dict[str, Any]:
        run = valid_run()
        *parents, last = self.path.split(".")
        node: Any = run
        for key in parents:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        if self.value is DELETE:
            del node[last]
        elif isinstance(node, list):
            node[int(last)] = self.value
        else:
            node[last] = self.value
        return run


DELETE = object()
_S = "spec."
_KNN = {"train": "s3://labelled/a.tar", "test": "s3://labelled/b.tar"}
_TWO_UNNAMED = [{"knn": _KNN}, {"knn": _KNN}]
_BOTH_KINDS = [
    {"knn": _KNN, "vqa": {"train": "s3://vqa/a", "test": "s3://vqa/b", "languageModel": "/models/lm"}}
]

CREATE = [
    Wrong(
        "min above max",
        _S + "workers.min",
        3,
        "workers.min 3 is above spec.workers.max 2: lower min or raise max",
    ),
    Wrong(
        "a batch that no worker count divides",
        _S + "schedule.globalBatchSize",
        36,
        "globalBatchSize 36 is not a multiple of workers x processesPerWorker x koleo.groupSize for any worker count from 1 to 2",
    ),
    Wrong(
        "a group larger than a process's share",
        _S + "objective.dino.koleo.groupSize",
        64,
        "change the batch or the counts",
    ),
    Wrong(
        "processes that do not divide the batch",
        _S + "workers.processesPerWorker",
        3,
        "change the batch or the counts",
    ),
    Wrong("zero workers", _S + "workers.min", 0, "greater than or equal to 1", "greater than or equal to 1"),
    Wrong("no upper worker count", _S + "workers.max", DELETE, "spec.workers.max: Required value", "max"),
    Wrong(
        "a recipe that nobody filled in",
        _S + "recipe",
        "web-dino-9b",
        "apply what `webssl recipe render -f FILE`",
    ),
    Wrong(
        "a recipe in place of the required fields",
        "spec",
        {"recipe": "web-dino-1b"},
        "apply what `webssl recipe render -f FILE`",
    ),
    Wrong("an unknown field of spec", _S + "modle", {}, 'unknown field "spec.modle"', "modle"),
    Wrong(
        "an unknown nested field",
        _S + "schedule.batchSize",
        32,
        'unknown field "spec.schedule.batchSize"',
        "batchSize",
    ),
    Wrong("an unknown field of a stage", _S + "schedule.stages.0.size", 1, "stages[0].size", "size"),
    Wrong("an unknown size", _S + "model.size", "9B", 'Unsupported value: "9B"', "'300M'"),
    Wrong(
        "an unknown way of recomputation",
        _S + "compute.activationCheckpointing",
        "half",
        'Unsupported value: "half"',
        "'selective'",
    ),
    Wrong("no model", _S + "model", DELETE, "spec.model: Required value", "model"),
    Wrong(
        "a patch of no pixels",
        _S + "model.patchSize",
        0,
        "greater than or equal to 4",
        "greater than or equal to 4",
    ),
    Wrong(
        "a resolution off the patch",
        _S + "schedule.stages.0.resolution",
        60,
        "multiple of spec.model.patchSize 14",
    ),
    Wrong(
        "local crops off the patch",
        _S + "schedule.stages.0.localResolution",
        30,
        "multiple of spec.model.patchSize 14",
    ),
    Wrong(
        "a malformed address of the weights to start from",
        _S + "model.startFrom",
        {"checkpoint": "runs/dino-7b"},
        "spec.model.startFrom.checkpoint runs/dino-7b is not a storage address",
    ),
    Wrong(
        "a pattern as the weights to start from",
        _S + "model.startFrom",
        {"checkpoint": "s3://runs/dino-{a,b}"},
        "s3://runs/dino-{a,b} holds a pattern: name one folder",
    ),
    Wrong(
        "a digest that is none",
        _S + "model.startFrom",
        {"checkpoint": "s3://runs/dino-7b", "digest": "newest"},
        "should match",
        "digest",
    ),
    Wrong(
        "weights to start from in the run's own folder",
        _S + "model.startFrom",
        {"checkpoint": "s3://runs/small/checkpoints/attempt-00000001-0123456789abcdef/step-000000000010"},
        "is in this run's own spec.checkpoint.uri s3://runs/small",
    ),
    Wrong("no objective", _S + "objective", {}, "exactly one of dino, mae and clip"),
    Wrong("two objectives", _S + "objective.mae", {}, "exactly one of dino, mae and clip"),
    Wrong(
        "an unknown tokenizer",
        _S + "objective",
        {"clip": {"tokenizer": "gpt2"}},
        "objective.clip.tokenizer gpt2 is unknown: write clip, bytes, or the address",
    ),
    Wrong(
        "a tokenizer that is no JSON file",
        _S + "objective",
        {"clip": {"tokenizer": "s3://bucket/vocabulary.txt"}},
        "objective.clip.tokenizer s3://bucket/vocabulary.txt is unknown",
    ),
    Wrong(
        "a text tower that its heads do not divide",
        _S + "objective",
        {"clip": {"textTower": {"width": 100, "depth": 2, "heads": 3}}},
        "textTower.width 100 is not a multiple of heads 3",
    ),
    Wrong(
        "a caption's extension with its dot",
        _S + "objective",
        {"clip": {"captionExtension": ".txt"}},
        "should match",
        "captionExtension",
    ),
    Wrong(
        "a share of hidden patches that leaves none to see",
        _S + "objective",
        {"mae": {"maskRatio": 1}},
        "objective.mae.maskRatio",
        "less than 1",
    ),
    Wrong(
        "heads that do not divide the decoder's width",
        _S + "objective",
        {"mae": {"decoder": {"width": 100, "heads": 16}}},
        "decoder.width 100 is not a multiple of 4 and of heads 16",
    ),
    Wrong(
        "a malformed data address",
        _S + "data.source",
        "mc2b/{0..9}.tar",
        "mc2b/{0..9}.tar is not a storage address",
    ),
    Wrong(
        "a filter's table that is no address",
        _S + "data.filter",
        {"table": "scores.parquet"},
        "spec.data.filter.table scores.parquet is not a storage address",
    ),
    Wrong(
        "a mixture of what is no shards",
        _S + "data.mix",
        [{"source": "s3://mc2b/images"}],
        "spec.data.mix[].source s3://mc2b/images names no shards: end it in .tar",
    ),
    Wrong("a bucket name in capitals", _S + "data.source", "s3://MC2B/0.tar", "is not a storage address"),
    Wrong(
        "data that are no shards", _S + "data.source", "s3://mc2b/images", "names no shards: end it in .tar"
    ),
    Wrong(
        "a storage endpoint without scheme",
        _S + "data.storage.endpoint",
        "s3.local:80",
        "should match",
        "endpoint",
    ),
    Wrong(
        "credentials in an endpoint",
        _S + "data.storage.endpoint",
        "http://key:word@s3.local",
        "should match",
        "endpoint",
    ),
    Wrong(
        "a negative seed", _S + "data.seed", -1, "greater than or equal to 0", "greater than or equal to 0"
    ),
    Wrong(
        "a share of bad samples above one",
        _S + "data.maxBadFraction",
        1.5,
        "less than or equal to 1",
        "or equal to 1",
    ),
    Wrong("no stage", _S + "schedule.stages", [], "should have at least 1 items", "at least 1 item"),
    Wrong(
        "a stage shorter than a step",
        _S + "schedule.stages.0.samples",
        8,
        "fewer samples than globalBatchSize 32",
    ),
    Wrong(
        "samples as text",
        _S + "schedule.stages.0.samples",
        "many",
        "must be of type integer",
        "valid integer",
    ),
    Wrong(
        "a checkpoint address without bucket",
        _S + "checkpoint.uri",
        "s3://",
        "spec.checkpoint.uri s3:// is not a storage",
    ),
    Wrong(
        "a pattern as checkpoint folder",
        _S + "checkpoint.uri",
        "s3://runs/*",
        "s3://runs/* holds a pattern: name one folder",
    ),
    Wrong(
        "checkpoints more often than steps",
        _S + "checkpoint.interval.samples",
        1,
        "less than one step of 32 samples",
    ),
    Wrong(
        "no checkpoint kept",
        _S + "checkpoint.keep",
        0,
        "greater than or equal to 1",
        "greater than or equal to 1",
    ),
    Wrong(
        "a suite of no kind",
        _S + "evaluation.suites",
        [{}],
        "each suite must name exactly one of vqa, knn",
    ),
    Wrong(
        "a suite of two kinds",
        _S + "evaluation.suites",
        _BOTH_KINDS,
        "each suite must name exactly one of vqa, knn",
    ),
    Wrong("two suites of one name", _S + "evaluation.suites", _TWO_UNNAMED, "two suites have the same name"),
    Wrong(
        "visual tokens that are no square",
        _S + "evaluation.suites.1.vqa.visualTokens",
        15,
        "visualTokens 15 is no square",
    ),
    Wrong(
        "a malformed evaluation address",
        _S + "evaluation.suites.0.knn.test",
        "labelled/test.tar",
        "labelled/test.tar is not a storage address",
    ),
    Wrong(
        "a linear probe at a malformed address",
        _S + "evaluation.suites.0",
        {"linear": {**_KNN, "train": "train.tar"}},
        "suites.linear.train train.tar is not a storage address",
    ),
    Wrong(
        "a linear probe that holds all images out",
        _S + "evaluation.suites.0",
        {"linear": {**_KNN, "heldOut": 1.5}},
        "should be less than 1",
    ),
    Wrong(
        "segmentation by an unknown head",
        _S + "evaluation.suites.0",
        {"segmentation": {**_KNN, "variant": "upernet"}},
        "Unsupported value",
        "should be 'linear' or 'ms'",
    ),
    Wrong(
        "segmentation of one class",
        _S + "evaluation.suites.0",
        {"segmentation": {**_KNN, "classes": 1}},
        "should be greater than or equal to 2",
    ),
    Wrong(
        "depths that end before they begin",
        _S + "evaluation.suites.0",
        {"depth": {**_KNN, "minDepth": 10, "maxDepth": 2}},
        "suites.depth.minDepth minDepth is not below maxDepth maxDepth: lower it",
        "suites.depth.minDepth 10.0 is not below maxDepth 2.0: lower it",
    ),
    Wrong(
        "more neighbours than pairs",
        _S + "evaluation.suites.0",
        {"alignment": {"pairs": "s3://pairs/a.tar", "languageModel": "/models/lm", "k": 12, "maxPairs": 12}},
        "suites.alignment.k 12 is not below maxPairs 12: lower it",
    ),
    Wrong(
        "a window that is no duration", _S + "restartPolicy", {"window": "one day"}, "should match", "window"
    ),
    Wrong(
        "negative restarts",
        _S + "restartPolicy",
        {"maxRestarts": -1},
        "greater than or equal to 0",
        "or equal to 0",
    ),
    Wrong(
        "a credential in the environment",
        _S + "workers.template",
        {"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]},
        "env AWS_SECRET_ACCESS_KEY looks like a credential: put it into a Secret",
    ),
    Wrong("a rate whose end is above its start", _S + "optimizer", {"learningRate": 1e-7}, "minLearningRate"),
    Wrong(
        "a name that leaves no room for pod names",
        "metadata.name",
        "a" * 41,
        "a" * 41 + " is longer than 40 characters",
    ),
]

CHANGE = [
    Wrong("another model", _S + "model.size", "S", "spec.model cannot be changed"),
    Wrong(
        "other weights to start from",
        _S + "model.startFrom",
        {"checkpoint": "s3://runs/other"},
        "spec.model cannot be changed",
    ),
    Wrong("another patch", _S + "model.patchSize", 28, "spec.model cannot be changed"),
    Wrong("another objective", _S + "objective.dino.localCrops", 4, "spec.objective cannot be changed"),
    Wrong("another batch", _S + "schedule.globalBatchSize", 64, "spec.schedule cannot be changed"),
    Wrong("another length", _S + "schedule.stages.0.samples", 640, "spec.schedule cannot be changed"),
    Wrong("another rate", _S + "optimizer", {"learningRate": 0.01}, "spec.optimizer cannot be changed"),
    Wrong(
        "other data",
        _S + "data.source",
        "s3://other/{0..1}.tar",
        "spec.data.source and spec.data.seed cannot be changed",
    ),
    Wrong(
        "a filter where there was none",
        _S + "data.filter",
        {"table": "s3://scores/all.parquet"},
        "spec.data.filter cannot be changed: the sample order depends on it",
    ),
    Wrong("another seed", _S + "data.seed", 1, "spec.data.source and spec.data.seed cannot be changed"),
    Wrong(
        "another checkpoint folder",
        _S + "checkpoint.uri",
        "s3://runs/other",
        "spec.checkpoint.uri cannot be changed",
    ),
]
