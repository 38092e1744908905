"""The model card of an exported folder, and its image transform. Pure."""

from __future__ import annotations

from typing import Any

from webssl_trainer.data import EvalTransform

from webssl_eval.published.source import Source

_BICUBIC = 3
"""Number of the filter in Pillow, by which transformers names it."""


def preprocessor(views: EvalTransform) -> dict[str, Any]:
    """preprocessor_config.json: shorter side to that of the views, bicubic, centre cut out, normalised as they are."""
    return {
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": views.size},
        "resample": _BICUBIC,
        "do_center_crop": True,
        "crop_size": {"height": views.size, "width": views.size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(views.mean),
        "image_std": list(views.std),
    }


def card(source: Source, model: dict[str, Any], resolution: int) -> str:
    """README.md: what it is, where it comes from, how to load it, what it was trained with.

    Args:
        source: the checkpoint.
        model: its config.json.
        resolution: side of the images that the preprocessor makes, in pixels.
    """
    manifest, config = source.manifest, source.trained.config
    size = source.trained.fields.get("model.size", "")
    facts = {
        "Objective": source.trained.objective,
        "Architecture": f"ViT {size}: width {config.width}, depth {config.depth}, {config.heads} heads, "
        f"patches of {config.patch_size} pixels (`{model['architectures'][0]}`)",
        "Images": f"{resolution} pixels; the position embedding is stored for {config.image_size} pixels and "
        f"interpolated to any multiple of {config.patch_size}",
        "Checkpoint": f"step {manifest.step:,}, {manifest.samples:,} samples seen, attempt {manifest.attempt}",
        "Digest of the checkpoint": f"`{manifest.digest}`",
        "Digest of the run's settings": f"`{manifest.config_digest}`",
        "Run": f"`{manifest.run_uid}`",
        "Written": f"{manifest.time}, torch {manifest.torch_version}",
    }
    return _CARD.format(
        title=f"{source.trained.objective} ViT {size}, step {manifest.step:,}",
        facts=_table(("", ""), facts),
        **_CALLS[model["model_type"]],
        settings=_table(
            ("Field of spec", "Value"), {f"`{k}`": f"`{v}`" for k, v in _settings(source).items()}
        ),
    )


def _settings(source: Source) -> dict[str, Any]:
    return dict(sorted(source.trained.fields.items()))


def _table(head: tuple[str, str], rows: dict[str, str]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())])


_CALLS = {
    "dinov2": {"load": "folder", "call": "**inputs"},
    # ViTModel has a pooler, which nothing trained, and refuses other sizes unless it is told to interpolate.
    "vit": {"load": "folder, add_pooling_layer=False", "call": "**inputs, interpolate_pos_encoding=True"},
}

_CARD = """---
library_name: transformers
pipeline_tag: image-feature-extraction
tags:
- vision
- self-supervised
- webssl
---

# {title}

A vision encoder trained with webssl-operator, in the layout of transformers.

{facts}

```python
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel

folder = "."  # where this file is
processor = AutoImageProcessor.from_pretrained(folder)
model = AutoModel.from_pretrained({load}).eval()

image = Image.new("RGB", (640, 480), "green")
inputs = processor(images=image, return_tensors="pt")
with torch.inference_mode():
    outputs = model({call})
features = outputs.last_hidden_state  # after the final norm
cls, patches = features[:, 0], features[:, 1:]
```

## Settings of the run

{settings}
"""
