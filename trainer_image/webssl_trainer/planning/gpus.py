"""GPUs by name: memory, peak arithmetic and links.

Sources: NVIDIA data sheets of each product. Memory is what the driver reports as total. Links are per GPU and
direction: NVLink's half of the published bidirectional rate (PCIe for cards without it), and one network adapter
per GPU as in NVIDIA's own servers of that generation (400 Gb/s with Hopper and Blackwell, 200 Gb/s with Ampere, 100
Gb/s else).
"""

from __future__ import annotations

from dataclasses import dataclass

from webssl_trainer.errors import UserError
from webssl_trainer.observe.flops import peak_flops

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """memory in bytes; links in bytes per second and direction: to GPUs of the same machine, and to other machines."""

    name: str
    memory: int
    link: float
    network: float

    @property
    def peak(self) -> float:
        """Dense bf16 FLOP/s, the figure that the trainer's MFU is a share of."""
        return peak_flops(self.name)


GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu("B200", 183359 * MIB, 900e9, 50e9),
        Gpu("H200", 143771 * MIB, 450e9, 50e9),
        Gpu("H100", 81559 * MIB, 450e9, 50e9),
        Gpu("A100", 81920 * MIB, 300e9, 25e9),
        Gpu("A100-40GB", 40960 * MIB, 300e9, 25e9),
        Gpu("L40S", 46068 * MIB, 32e9, 12.5e9),
        Gpu("L4", 23034 * MIB, 32e9, 12.5e9),
    )
}


def gpu_named(name: str) -> Gpu:
    """The GPU of that name, in any case. Raises UserError with the known ones."""
    found = next((gpu for key, gpu in GPUS.items() if key.lower() == name.lower()), None)
    if found is None:
        raise UserError(f"GPU {name!r} is unknown; use one of {', '.join(GPUS)}")
    return found
