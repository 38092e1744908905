"""Published folders and state dicts of small transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from webssl_eval.published.exporting import write_weights
from webssl_eval.published.families import DINOV2, Family
from webssl_eval.published.layout import State
from webssl_trainer.model import VisionTransformer, vit_config

TINY = vit_config("tiny", image_size=28)
TINY_MAE = vit_config("tiny", image_size=28, family="mae")


def written(folder: Path, vit: VisionTransformer, family: Family = DINOV2, **changes: Any) -> Path:
    """A published folder, with some fields of its config.json changed."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**family.to_json(vit.config), **changes}))
    write_weights(folder, family.layout.publish(vit.state_dict()))
    return folder


def plain(vit: VisionTransformer) -> State:
    return {name: value.clone() for name, value in vit.state_dict().items()}
