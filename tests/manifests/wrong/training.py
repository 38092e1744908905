"""Wrong models, objectives, schedules, optimizers, workers and whatever else training itself is told."""

from __future__ import annotations

from tests.manifests.wrong.row import DELETE, SPEC, Wrong

ROWS = [
    Wrong(
        "min above max",
        SPEC + "workers.min",
        3,
        "workers.min 3 is above spec.workers.max 2: lower min or raise max",
    ),
    Wrong(
        "a batch that no worker count divides",
        SPEC + "schedule.globalBatchSize",
        36,
        "globalBatchSize 36 is not a multiple of workers x processesPerWorker x koleo.groupSize for any worker count from 1 to 2",
    ),
    Wrong(
        "a group larger than a process's share",
        SPEC + "objective.dino.koleo.groupSize",
        64,
        "change the batch or the counts",
    ),
    Wrong(
        "processes that do not divide the batch",
        SPEC + "workers.processesPerWorker",
        3,
        "change the batch or the counts",
    ),
    Wrong(
        "zero workers", SPEC + "workers.min", 0, "greater than or equal to 1", "greater than or equal to 1"
    ),
    Wrong("no upper worker count", SPEC + "workers.max", DELETE, "spec.workers.max: Required value", "max"),
    Wrong(
        "a recipe that nobody filled in",
        SPEC + "recipe",
        "web-dino-9b",
        "apply what `webssl recipe render -f FILE`",
    ),
    Wrong(
        "a recipe in place of the required fields",
        "spec",
        {"recipe": "web-dino-1b"},
        "apply what `webssl recipe render -f FILE`",
    ),
    Wrong("an unknown field of spec", SPEC + "modle", {}, 'unknown field "spec.modle"', "modle"),
    Wrong(
        "an unknown nested field",
        SPEC + "schedule.batchSize",
        32,
        'unknown field "spec.schedule.batchSize"',
        "batchSize",
    ),
    Wrong("an unknown field of a stage", SPEC + "schedule.stages.0.size", 1, "stages[0].size", "size"),
    Wrong("an unknown size", SPEC + "model.size", "9B", 'Unsupported value: "9B"', "'300M'"),
    Wrong(
        "an unknown way of recomputation",
        SPEC + "compute.activationCheckpointing",
        "half",
        'Unsupported value: "half"',
        "'selective'",
    ),
    Wrong("no model", SPEC + "model", DELETE, "spec.model: Required value", "model"),
    Wrong(
        "a patch of no pixels",
        SPEC + "model.patchSize",
        0,
        "greater than or equal to 4",
        "greater than or equal to 4",
    ),
    Wrong(
        "a resolution off the patch",
        SPEC + "schedule.stages.0.resolution",
        60,
        "multiple of spec.model.patchSize 14",
    ),
    Wrong(
        "local crops off the patch",
        SPEC + "schedule.stages.0.localResolution",
        30,
        "multiple of spec.model.patchSize 14",
    ),
    Wrong("no objective", SPEC + "objective", {}, "exactly one of dino, mae and clip"),
    Wrong("two objectives", SPEC + "objective.mae", {}, "exactly one of dino, mae and clip"),
    Wrong(
        "an unknown tokenizer",
        SPEC + "objective",
        {"clip": {"tokenizer": "gpt2"}},
        "objective.clip.tokenizer gpt2 is unknown: write clip, bytes, or the address",
    ),
    Wrong(
        "a tokenizer that is no JSON file",
        SPEC + "objective",
        {"clip": {"tokenizer": "s3://bucket/vocabulary.txt"}},
        "objective.clip.tokenizer s3://bucket/vocabulary.txt is unknown",
    ),
    Wrong(
        "a text tower that its heads do not divide",
        SPEC + "objective",
        {"clip": {"textTower": {"width": 100, "depth": 2, "heads": 3}}},
        "textTower.width 100 is not a multiple of heads 3",
    ),
    Wrong(
        "a caption's extension with its dot",
        SPEC + "objective",
        {"clip": {"captionExtension": ".txt"}},
        "should match",
        "captionExtension",
    ),
    Wrong(
        "a share of hidden patches that leaves none to see",
        SPEC + "objective",
        {"mae": {"maskRatio": 1}},
        "objective.mae.maskRatio",
        "less than 1",
    ),
    Wrong(
        "heads that do not divide the decoder's width",
        SPEC + "objective",
        {"mae": {"decoder": {"width": 100, "heads": 16}}},
        "decoder.width 100 is not a multiple of 4 and of heads 16",
    ),
    Wrong("no stage", SPEC + "schedule.stages", [], "should have at least 1 items", "at least 1 item"),
    Wrong(
        "a stage shorter than a step",
        SPEC + "schedule.stages.0.samples",
        8,
        "fewer samples than globalBatchSize 32",
    ),
    Wrong(
        "samples as text",
        SPEC + "schedule.stages.0.samples",
        "many",
        "must be of type integer",
        "valid integer",
    ),
    Wrong(
        "a window that is no duration",
        SPEC + "restartPolicy",
        {"window": "one day"},
        "should match",
        "window",
    ),
    Wrong(
        "negative restarts",
        SPEC + "restartPolicy",
        {"maxRestarts": -1},
        "greater than or equal to 0",
        "or equal to 0",
    ),
    Wrong(
        "a credential in the environment",
        SPEC + "workers.template",
        {"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]},
        "env AWS_SECRET_ACCESS_KEY looks like a credential: put it into a Secret",
    ),
    Wrong(
        "a rate whose end is above its start", SPEC + "optimizer", {"learningRate": 1e-7}, "minLearningRate"
    ),
    Wrong(
        "a name that leaves no room for pod names",
        "metadata.name",
        "a" * 41,
        "a" * 41 + " is longer than 40 characters",
    ),
]
