"""Vision transformers of the paper: sizes, forward pass, initial values, distribution over processes."""

from webssl_trainer.model.compute import Compute
from webssl_trainer.model.config import SIZES, VitConfig, vit_config
from webssl_trainer.model.init import initialise
from webssl_trainer.model.parallelize import Parallel, should_shard
from webssl_trainer.model.vit import VisionTransformer, VitOutput

__all__ = [
    "SIZES",
    "Compute",
    "Parallel",
    "VisionTransformer",
    "VitConfig",
    "VitOutput",
    "initialise",
    "should_shard",
    "vit_config",
]
