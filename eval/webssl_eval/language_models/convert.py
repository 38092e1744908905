"""A GGUF file as a folder in transformers' own layout, which loads in a tenth of the time and without `gguf`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from webssl_trainer.errors import UserError


def convert_gguf(file: Path, folder: Path) -> None:
    """Write config, tokenizer and weights (float16: the scales of GGUF's quantisation are float16 too) to `folder`.

    Raises:
        UserError: transformers cannot read the file.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(**source)
        model: Any = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{file} cannot be read as a language model: {error}; name a transformers folder instead"
        ) from error
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.float16
    folder.mkdir(parents=True)
    tokenizer.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    save_file(_weights(model), folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)


def _weights(model: Any) -> dict[str, torch.Tensor]:
    """The parameters by name, tied ones once."""
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    state: dict[str, torch.Tensor] = model.state_dict()
    return {name: value.to(torch.float16).contiguous() for name, value in state.items() if name not in tied}
