"""What MAE learns on this machine's CPU: k-NN accuracy of its features beside that of random weights.

Usage: python benchmarks/learning/mae.py [--samples N] [--folder FOLDER]

A real run of `webssl run`: the tiny transformer is trained on Fashion-MNIST pictures without their labels (those that
are not in the labelled sets), then the knn suite scores its checkpoint: 1,000 labelled pictures, 2,000 test pictures,
k = 10. The same suite scores the same transformer with the random weights of five seeds. Results are stored in
benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml
from webssl_api.run import WebSSLRun
from webssl_cli.datasets import cache_folder
from webssl_cli.examples import fashion_mnist
from webssl_eval.encoders import random_encoder
from webssl_eval.suites.interface import Workplace
from webssl_eval.suites.knn import KnnClassification
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.data.pack import pack
from webssl_trainer.storage import open_storage

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.train.commit import commit_of  # noqa: E402

LABELLED, TEST, UNLABELLED = 1000, 2000, 20000
SIDE, BATCH, SEEDS = 28, 64, 5


def main() -> int:
    """Train, score, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1200 * BATCH)
    parser.add_argument(
        "--folder", type=Path, help="where data and checkpoints go; a temporary one if left out"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        make_data(folder)
        manifest = manifest_of(folder, given.samples)
        file = folder / "run.yaml"
        file.write_text(yaml.safe_dump(manifest))
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "webssl_cli.main",
            "run",
            str(file),
            "--workdir",
            str(folder / "run"),
        ]
        subprocess.run(command, check=True)
        seconds = time.monotonic() - began
        result = result_of(json.loads((folder / "run" / "status.json").read_text()), manifest)
        result["wall_seconds"] = round(seconds, 1)
    file = ROOT / "benchmarks" / "results" / f"learning-mae-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(f"{file.read_text()}stored in {file.relative_to(ROOT)}\n")
    return 0


def make_data(folder: Path) -> None:
    """Labelled sets and unlabelled pictures below folder; no picture is in two of them."""
    storage, data = open_storage(), fashion_mnist.fetch(cache_folder())
    fashion_mnist.build(data, storage, (folder / "labelled").as_uri(), train=LABELLED, test=TEST)
    pictures = fashion_mnist.images(data, "train", LABELLED, UNLABELLED, labelled=False)
    pack(pictures, storage, (folder / "unlabelled").as_uri(), samples_per_shard=5000, total=UNLABELLED)


def manifest_of(folder: Path, samples: int) -> dict[str, Any]:
    """The run: patches of 4 pixels, so that 12 of 49 are visible, and a decoder in proportion to the encoder."""
    decay = {"weightDecayStart": 0.05, "weightDecayEnd": 0.05}
    labelled = {name: f"{(folder / 'labelled' / name).as_uri()}/*.tar" for name in ("train", "test")}
    return {
        "apiVersion": "webssl.dev/v1alpha1",
        "kind": "WebSSLRun",
        "metadata": {"name": "learning-mae"},
        "spec": {
            "model": {"size": "tiny", "patchSize": 4, "dropPath": 0},
            "objective": {"mae": {"decoder": {"width": 64, "depth": 2, "heads": 4}}},
            "data": {"source": f"{(folder / 'unlabelled').as_uri()}/*.tar", "loaderThreads": 1},
            "schedule": {"stages": [{"resolution": SIDE, "samples": samples}], "globalBatchSize": BATCH},
            "optimizer": {"learningRate": 2e-3, "warmupFraction": 0.1, "patchEmbedRateFactor": 1.0, **decay},
            "workers": {"min": 1, "max": 1},
            "checkpoint": {"uri": (folder / "checkpoints").as_uri(), "interval": {"samples": samples}},
            "evaluation": {"suites": [{"knn": {**labelled, "k": 10}}]},
        },
    }


def result_of(status: Mapping[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """The trained score beside those of random weights, and where they were measured."""
    (suite,) = status["evaluation"]["suites"]
    spec = WebSSLRun.parse(manifest).spec
    random = random_scores(manifest)
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "machine": {"cpus": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
        "torch": torch.__version__,
        "samples": spec.schedule.total_samples,
        "steps": spec.schedule.total_steps,
        "loss": status["progress"]["loss"],
        "knn_top1_trained": suite["scores"]["top1"],
        "knn_top1_random_weights": random,
        "gain_over_best_random": round(suite["scores"]["top1"] - max(random), 2),
        "random_weights_mean": round(statistics.mean(random), 2),
        "prior": suite["scores"]["prior"],
        "test_pictures": suite["questions"],
    }


def random_scores(manifest: dict[str, Any]) -> list[float]:
    """top1 of untrained transformers, one for each seed."""
    run = WebSSLRun.parse(manifest)
    (suite,) = run.spec.evaluation.suites
    assert suite.knn is not None
    device, scores = torch.device("cpu"), []
    with tempfile.TemporaryDirectory() as scratch:
        place = Workplace(open_storage(), Path(scratch), device, lambda *_: None)
        for seed in range(SEEDS):
            encoder = random_encoder(architecture(run.spec), SIDE, seed, device)
            score = KnnClassification(suite.knn).run(encoder, place).scores["top1"]
            scores.append(round(score, 2))
    return scores


if __name__ == "__main__":
    sys.exit(main())
