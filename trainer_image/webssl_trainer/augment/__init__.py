"""What happens to crops on the device: colour, blur, normalisation.

The loader's workers decode, cut and resize, and hand over bytes, a quarter of what floats would take. An objective says
`prepare(batch, spec, seed, device)` and asks each `Crops` for its pixels when a network is about to read them.
"""

from webssl_trainer.augment.crops import Crops, prepare

__all__ = ["Crops", "prepare"]
