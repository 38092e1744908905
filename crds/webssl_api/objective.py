"""`spec.objective`: exactly one of dino, mae and clip. The fields of each stand in a file of its own."""

from __future__ import annotations

from typing import ClassVar

from webssl_api.base import ApiModel, Rule
from webssl_api.objective_clip import ClipSpec
from webssl_api.objective_dino import DinoSpec
from webssl_api.objective_mae import MaeSpec


class ObjectiveSpec(ApiModel):
    """What is optimised: exactly one of dino, mae and clip."""

    dino: DinoSpec | None = None
    """Train with the DINOv2 objective (Web-DINO)."""

    mae: MaeSpec | None = None
    """Train a masked autoencoder (Web-MAE)."""

    clip: ClipSpec | None = None
    """Train the language-supervised control (CLIP)."""

    @property
    def kind(self) -> str:
        """`dino`, `mae` or `clip`."""
        return "dino" if self.dino is not None else "mae" if self.mae is not None else "clip"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="[has(self.dino), has(self.mae), has(self.clip)].filter(x, x).size() == 1",
            message="spec.objective must name exactly one of dino, mae and clip: for DINO write `objective: {dino: {}}`",
            check=lambda self: sum(x is not None for x in (self.dino, self.mae, self.clip)) == 1,
        ),
    )
