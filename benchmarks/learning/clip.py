"""What CLIP learns on this machine's CPU: emoji and their names, retrieved from pairs that training never saw.

Usage: python benchmarks/learning/clip.py [--steps N] [--loss infonce|siglip]

Every tenth emoji is kept out with all its skin tones and is tested by its plain drawing ("new emoji"); of the others
every tenth drawing in a skin tone is kept out ("new drawing of a known name": its siblings in other tones are trained
on). A new emoji may have relatives of another name in training, such as the man to a woman. Recall at k
is the share of pictures whose own name is among the k nearest, and of names whose own picture is. Equal captions count
as one. The same network before training, and chance, stand beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from webssl_cli.datasets import cache_folder
from webssl_cli.examples import emoji
from webssl_trainer.configs.views import evaluation_views
from webssl_trainer.data.decode import decode_image
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.model import Parallel, vit_config
from webssl_trainer.objectives.clip import ClipConfig, ClipObjective, TextConfig
from webssl_trainer.objectives.clip.config import clip_crops
from webssl_trainer.optim import OptimConfig
from webssl_trainer.storage import open_storage

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.learning.training import CPU, SEED, train  # noqa: E402
from benchmarks.train.commit import commit_of  # noqa: E402

SIDE, PATCH = 56, 14
Split = dict[str, list[PackItem]]


def main() -> int:
    """Train, test, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=128, help="pairs of one step")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--loss", choices=["infonce", "siglip"], default="infonce")
    given = parser.parse_args()
    split = split_emoji(list(emoji.images(emoji.fetch(cache_folder()))))
    objective = build(given.loss)
    before = {name: retrieval(objective, items) for name, items in split.items() if name != "train"}
    began = time.perf_counter()
    storage, place = open_storage(), "memory:///learning-clip"
    pack(split["train"], storage, place)
    warmup, members = given.steps // 10, tuple(objective.config.needs.members)
    decay = {"weight_decay": 0.2, "weight_decay_end": 0.2}
    optim = OptimConfig(given.rate, 0.0, warmup, **decay, betas=(0.9, 0.98), eps=1e-6)
    losses = train(
        objective, storage, f"{place}/*.tar", optim, given.steps, given.batch, extras=members, say_every=25
    )
    seconds = time.perf_counter() - began
    after = {name: retrieval(objective, items) for name, items in split.items() if name != "train"}
    result = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "machine": {
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "processor": platform.machine(),
        },
        "torch": torch.__version__,
        "loss": given.loss,
        "steps": given.steps,
        "batch": given.batch,
        "pairs": {name: len(items) for name, items in split.items()},
        "seconds": round(seconds, 1),
        "losses": [round(value, 4) for value in losses[:: max(1, given.steps // 20)]],
        "untrained": before,
        "trained": after,
    }
    folder = ROOT / "benchmarks" / "results"
    file = folder / f"learning-clip-{given.loss}-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(table(before, after) + f"stored in {file.relative_to(ROOT)}\n")
    return 0


def split_emoji(items: Sequence[PackItem]) -> Split:
    """Pairs to train on and two sets to test on."""
    split: Split = {"train": [], "new emoji": [], "new drawing of a known name": []}
    names = sorted({_base(item) for item in items})
    kept_out = set(names[::10])
    known = 0
    for item in items:
        plain = item.caption == _base(item)
        if _base(item) in kept_out:
            if plain:
                split["new emoji"].append(item)
            continue
        known += not plain
        tested = not plain and known % 10 == 0
        split["new drawing of a known name" if tested else "train"].append(item)
    return split


def build(loss: Literal["infonce", "siglip"]) -> ClipObjective:
    """The tiny vision transformer beside a text tower of two blocks over CLIP's own tokens."""
    text = TextConfig(width=96, depth=2, heads=3)
    config = ClipConfig(text=text, crops=clip_crops(SIDE), tokenizer="clip", loss=loss)
    return ClipObjective(vit_config("tiny", patch_size=PATCH, image_size=SIDE), config, Parallel(CPU), SEED)


@torch.no_grad()
def retrieval(objective: ClipObjective, items: Sequence[PackItem]) -> dict[str, float]:
    """Recall in per cent in both directions, and that of chance."""
    names = sorted({item.caption or "" for item in items})
    transform = evaluation_views("clip", SIDE)
    pictures = torch.from_numpy(np.stack([transform(decode_image(item.data)) for item in items]))
    owners = torch.tensor([names.index(item.caption or "") for item in items])
    images, _, _ = objective.network(pictures, *objective.tokenizer([""] * len(items)), None)
    blank = torch.zeros(len(names), 3, SIDE, SIDE)
    _, texts, _ = objective.network(blank, *objective.tokenizer(names), None)
    cosines = images @ texts.T
    own = torch.nn.functional.one_hot(owners, len(names)).bool()
    found: dict[str, float] = {}
    for k in (1, 5):
        found[f"image to name R@{k}"] = _recall(cosines, own, k)
        found[f"name to image R@{k}"] = _recall(cosines.T, own.T, k)
        found[f"chance R@{k}"] = round(100 * min(1.0, k / len(names)), 2)
    return found


def _recall(scores: Tensor, own: Tensor, k: int) -> float:
    best = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return round(100 * own.gather(1, best).any(1).float().mean().item(), 2)


def table(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> str:
    """One line for each set and direction."""
    lines = []
    for name, scores in after.items():
        for k in (1, 5):
            for way in ("image to name", "name to image"):
                key = f"{way} R@{k}"
                lines.append(
                    f"{name:28} {key:20} {scores[key]:6.2f} %  untrained {before[name][key]:5.2f} %  "
                    f"chance {scores[f'chance R@{k}']:5.2f} %"
                )
    return "\n".join(lines) + "\n"


def _base(item: PackItem) -> str:
    """The name without its skin tones."""
    words = (item.caption or "").split(", ")
    return ", ".join(word for word in words if not word.endswith("skin tone"))


if __name__ == "__main__":
    sys.exit(main())
