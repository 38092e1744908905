"""An encoder whose features are those of an earlier block: which layer the language model sees is a setting."""

from __future__ import annotations

from torch import Tensor
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder, Features
from webssl_eval.encoders.around import Around


class AtLayer(Around):
    """An encoder whose `encode` gives the features behind block `layer` (from 1), with the final norm laid on them.

    Raises:
        UserError: the encoder has no such block.
    """

    def __init__(self, encoder: Encoder, layer: int) -> None:
        if layer > encoder.depth:
            raise UserError(
                f"spec.evaluation.suites.vqa.layer {layer} is beyond the {encoder.depth} blocks of encoder {encoder.name}; "
                f"use 1 to {encoder.depth}"
            )
        super().__init__(encoder)
        self._layer = layer

    @property
    def name(self) -> str:
        """See `Encoder.name`."""
        return f"{self._encoder.name}, block {self._layer}"

    def encode(self, images: Tensor) -> Features:
        """See `Encoder.encode`: of the chosen block."""
        (found,) = self._encoder.encode_layers(images, [self._layer - 1], normed=True)
        return found


def at_layer(encoder: Encoder, layer: int | None) -> Encoder:
    """The encoder itself for None, else its features behind a block."""
    return encoder if layer is None else AtLayer(encoder, layer)
