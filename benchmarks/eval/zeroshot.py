"""What a text tower reads in frozen encoders on this machine's CPU: emoji and their names, on pairs that training never saw.

Usage: python benchmarks/eval/zeroshot.py [--pictures N] [--steps N] [--seeds N]

MAE and DINO train the tiny transformer on drawings of emoji without their names; beside each stand transformers of the same
shape with random weights. Then the zeroshot suite trains a text tower beside every one of them on the same pairs and scores:

* retrieval among emoji whose every drawing was kept out ("new emoji", 191 of each), where chance is half a per cent,
* classification of kept-out drawings by the five skin tones, by the names of the tones alone, where chance is 20 %.

The split is that of `benchmarks/learning/clip.py`: every tenth emoji is kept out with all its skin tones, so relatives of another
name (the man to a woman) may have been trained on. Settings of the tower are the same for all encoders and were not tuned by encoder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from webssl_api.evaluation_zeroshot import ZeroshotSuite
from webssl_cli.datasets import cache_folder
from webssl_cli.examples import emoji
from webssl_eval.encoders import Encoder, VitEncoder, random_encoder
from webssl_eval.suites.interface import Workplace
from webssl_eval.suites.zeroshot.suite import ZeroShot
from webssl_trainer.configs.encoders import ENCODERS
from webssl_trainer.configs.views import evaluation_views
from webssl_trainer.data import CropSpec
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.model import Parallel, VisionTransformer, VitConfig, vit_config
from webssl_trainer.objectives import Objective
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective, HeadConfig
from webssl_trainer.objectives.mae import MaeConfig, MaeObjective
from webssl_trainer.objectives.mae.config import DecoderConfig, mae_crops
from webssl_trainer.optim import OptimConfig
from webssl_trainer.storage import open_storage

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.learning.clip import split_emoji  # noqa: E402
from benchmarks.learning.training import CPU, SEED, train  # noqa: E402
from benchmarks.train.commit import commit_of  # noqa: E402

SIDE, BATCH = 56, 64
TONES = (
    "light skin tone",
    "medium-light skin tone",
    "medium skin tone",
    "medium-dark skin tone",
    "dark skin tone",
)
SHAPES: dict[str, VitConfig] = {
    "mae": vit_config("tiny", patch_size=7, image_size=SIDE, family="mae"),
    # As in benchmarks/learning/dino.py: with a small LayerScale a short run spends its steps on getting away from one CLS token.
    "dino": replace(vit_config("tiny", patch_size=14, image_size=SIDE), layer_scale=1.0),
}
HEAD = HeadConfig(hidden_dim=256, bottleneck_dim=64, prototypes=256)
DINO = DinoConfig(
    crops=CropSpec(global_size=SIDE, local_size=28, n_local=2, photometric_global=(), photometric_local=None),
    dino_head=HEAD,
    ibot_head=HEAD,
    drop_path=0.0,
    teacher_temperature=0.04,
    ibot_weight=0.0,
    ema_start=0.99,
    patch_embed_lr_multiplier=1.0,
)
MAE = MaeConfig(crops=mae_crops(SIDE), decoder=DecoderConfig(64, 2, 4))
TOWER: dict[str, Any] = {
    "textTower": "tiny",
    "batchSize": 128,
    "learningRate": 1e-3,
    "weightDecay": 0.2,
    "reading": "clsMean",
    "imageProjection": "linear",
}


def main() -> int:
    """Train, score, print, store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=25_600, help="drawings that MAE and DINO see")
    parser.add_argument("--steps", type=int, default=240, help="of the text tower")
    parser.add_argument("--seeds", type=int, default=2, help="random weights beside each")
    parser.add_argument("--only", choices=list(SHAPES), action="append")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Workplace(open_storage(), Path(scratch), CPU, lambda *_: None)
        suite, counts = make_data(place, given.steps)
        for name in given.only or SHAPES:
            objective, learning = learned(name, place, given.pictures // BATCH)
            views = evaluation_views(name, SIDE)
            encoders: dict[str, Encoder] = {
                "trained": VitEncoder(encoder_of(objective, name), views, name, CPU)
            }
            for seed in range(given.seeds):
                encoders[f"random weights, seed {seed}"] = random_encoder(SHAPES[name], SIDE, seed, CPU)
            scores = {which: scored(suite, encoder, place) for which, encoder in encoders.items()}
            result = {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "commit": commit_of(ROOT),
                "machine": {
                    "cpus": os.cpu_count(),
                    "threads": torch.get_num_threads(),
                    "processor": platform.machine(),
                },
                "torch": torch.__version__,
                "encoder": name,
                "pictures": given.pictures // BATCH * BATCH,
                "vit": asdict(SHAPES[name]),
                **learning,
                "tower": {**TOWER, "steps": given.steps},
                "counts": counts,
                "scores": scores,
            }
            folder = ROOT / "benchmarks" / "results"
            file = folder / f"eval-zeroshot-{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
            file.write_text(json.dumps(result, indent=2) + "\n")
            sys.stdout.write(f"{table(name, scores)}stored in {file.relative_to(ROOT)}\n")
            sys.stdout.flush()
    return 0


def make_data(place: Workplace, steps: int) -> tuple[ZeroShot, dict[str, int]]:
    """Shards below the scratch folder, and the suite that scores with them."""
    items = list(emoji.images(emoji.fetch(cache_folder())))
    split = split_emoji(items)
    folder = place.scratch.as_uri()
    toned = [tone for item in tested(items, split["train"]) if (tone := toned_item(item)) is not None]
    sets = {"pairs": split["train"], "testPairs": split["new emoji"], "test": toned}
    for name, kept in sets.items():
        pack(kept, place.storage, f"{folder}/{name}")
    files = {"classNames": "\n".join(TONES), "prompts": "{}\nperson, {}\nwaving hand, {}\nrunner, {}\n"}
    for name, text in files.items():
        place.storage.put(f"{folder}/{name}.txt", text.encode())
    spec = ZeroshotSuite.model_validate(
        {
            **TOWER,
            "steps": steps,
            **{name: f"{folder}/{name}/*.tar" for name in sets},
            **{name: f"{folder}/{name}.txt" for name in files},
        }
    )
    return ZeroShot(spec), {name: len(kept) for name, kept in sets.items()}


def tested(items: Sequence[PackItem], trained: Sequence[PackItem]) -> list[PackItem]:
    """The drawings that are not trained on."""
    known = {item.key for item in trained}
    return [item for item in items if item.key not in known]


def toned_item(item: PackItem) -> PackItem | None:
    """A drawing with the class of its one skin tone; None for one without a tone, or with several."""
    tones = [word for word in (item.caption or "").split(", ") if word in TONES]
    if len(tones) != 1:
        return None
    return replace(item, caption=None, label=TONES.index(tones[0]))


def learned(name: str, place: Workplace, steps: int) -> tuple[Objective, dict[str, Any]]:
    """The objective after its training on the drawings of the pairs, and what the training took."""
    objective: Objective = (
        MaeObjective(SHAPES[name], MAE, Parallel(CPU), SEED)
        if name == "mae"
        else DinoObjective(SHAPES[name], DINO, Parallel(CPU), SEED)
    )
    began, busy = time.monotonic(), time.process_time()
    decay = 0.05 if name == "mae" else 0.04
    optim = OptimConfig(1.5e-3, 1e-6, steps // 10, decay, decay)
    losses = train(objective, place.storage, f"{place.scratch.as_uri()}/pairs/*.tar", optim, steps, BATCH)
    seconds = {"wall": round(time.monotonic() - began, 1), "cpu": round(time.process_time() - busy, 1)}
    return objective, {
        "seconds": seconds,
        "losses": [round(value, 4) for value in losses[:: max(1, steps // 20)]],
    }


def encoder_of(objective: Objective, name: str) -> VisionTransformer:
    """The module that the objective's checkpoints are evaluated by."""
    module, _, inner = ENCODERS[name].partition(".")
    vit = objective.modules[module].get_submodule(inner)
    assert isinstance(vit, VisionTransformer)
    return vit


def scored(suite: ZeroShot, encoder: Encoder, place: Workplace) -> dict[str, float]:
    """The suite's scores and the seconds of its parts, rounded."""
    outcome = suite.run(encoder, place)
    seconds = {f"seconds, {part}": value for part, value in outcome.details["seconds"].items()}
    return {metric: round(value, 2) for metric, value in {**outcome.scores, **seconds}.items()}


def table(name: str, scores: dict[str, dict[str, float]]) -> str:
    """One line for each encoder."""
    shown = ("imageToTextR1", "textToImageR1", "imageToTextR10", "textToImageR10", "top1")
    beside = next(iter(scores.values()))
    rows = {
        **scores,
        "by lot": {metric: beside.get(f"prior_{metric}", beside["chance"]) for metric in shown},
    }
    lines = [f"{name:6}{'':24}" + "".join(f"{metric:>17}" for metric in shown)]
    for which, row in rows.items():
        lines.append(f"{'':6}{which:24}" + "".join(f"{row[metric]:15.2f} %" for metric in shown))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
