"""What an objective says of itself to the planner. All counts are exact or expected values of one process.

Sizes in bytes, arithmetic in FLOP (2 per multiply-add), parameters in numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from webssl_trainer.data import CropSpec
from webssl_trainer.model import VitConfig
from webssl_trainer.objectives.interface import ObjectiveConfig
from webssl_trainer.planning.precision import Precision


@dataclass(frozen=True)
class Unit:
    """A part of a network that FSDP2 gathers and frees as a whole.

    parameters: all numbers. matrices: those in weights of linear layers and convolutions, which autocast copies.
    """

    name: str
    parameters: int
    matrices: int


@dataclass(frozen=True)
class Networks:
    """trained: units of the network that the optimizer sees; frozen: units of networks that follow it (EMA teachers)."""

    trained: tuple[Unit, ...]
    frozen: tuple[Unit, ...] = ()


def parameters(units: Sequence[Unit]) -> int:
    """Numbers in all units."""
    return sum(unit.parameters for unit in units)


def matrices(units: Sequence[Unit]) -> int:
    """Numbers in the matrices of all units."""
    return sum(unit.matrices for unit in units)


@dataclass(frozen=True)
class Share:
    """The samples of one process: in a whole step, and in one micro-batch. world: processes that have as many."""

    step: int
    micro: int
    world: int = 1

    @property
    def micro_batches(self) -> int:
        """Forward and backward passes of a step."""
        return self.step // self.micro


@dataclass(frozen=True)
class Activations:
    """Bytes beside parameters, gradients and optimizer state.

    inputs: crops of the whole step as bytes, on the device throughout; their pixels are made where they are used.
    held: results of frozen networks for the whole step, from their computation to the end of the step.
    before: most that is there at a time, inputs left out, before the first trained forward pass; `held` grows in it.
    saved: what autograd keeps of one micro-batch for its backward pass.
    passing: most that comes and goes beside `saved` in one micro-batch (temporaries of losses and of the backward pass).
    last: what is there of the first block when the backward pass, which began at the last one, comes to it.
    """

    inputs: int
    held: int
    before: int
    saved: int
    passing: int
    last: int


@dataclass(frozen=True)
class SampleFlops:
    """FLOP per sample of the global batch, recomputation left out.

    forward, backward: of the trained network with its heads. frozen: forward passes of networks that follow it.
    """

    forward: float
    backward: float
    frozen: float

    @property
    def total(self) -> float:
        """FLOP per sample."""
        return self.forward + self.backward + self.frozen


@dataclass(frozen=True)
class Collective:
    """A collective of the objective's own in each step, `times` times. bytes: of the whole tensor on each process."""

    kind: Literal["all-reduce", "all-gather", "reduce-scatter"]
    name: str
    bytes: int
    times: int


ConfigT_contra = TypeVar("ConfigT_contra", contravariant=True)


class ObjectivePlan(Protocol, Generic[ConfigT_contra]):
    """What the planner asks of an objective; one module for each, see `registry`."""

    def networks(self, vit: VitConfig, config: ConfigT_contra) -> Networks:
        """Units of all networks, as the objective hands them to `Parallel.place`, the root last."""
        ...

    def activations(
        self, vit: VitConfig, config: ConfigT_contra, crops: CropSpec, share: Share, precision: Precision
    ) -> Activations:
        """Bytes of one process at the resolution of `crops`; random amounts at the top of what a run will draw."""
        ...

    def sample_flops(self, vit: VitConfig, config: ConfigT_contra, crops: CropSpec) -> SampleFlops:
        """FLOP per sample at the resolution of `crops`; random amounts at their mean."""
        ...

    def collectives(self, config: ConfigT_contra, share: Share) -> Sequence[Collective]:
        """What the objective itself exchanges in each step; single numbers left out."""
        ...

    def regrouped(self, config: ConfigT_contra, size: int) -> tuple[str, ObjectiveConfig] | None:
        """The manifest's field of the group size, and the settings with groups of `size` samples.

        None where the objective compares no samples within groups.
        """
        ...
