"""The data plane: tar shards on object storage to batches, in an order that is a pure function of the position.

A run's data in ten lines:

    storage = open_storage()
    index = load_or_build_index(storage, "s3://bucket/shards/{000..099}.tar", cache="s3://runs/mine")
    order = Order(seed=0, size=len(index))
    plan = BatchPlan(global_batch=256, group_size=8, micro_batch=64)
    with Loader(storage=storage, index=index, order=order, plan=plan, crops=CropSpec(), rank=0, world=1,
                seed=0, start_position=0, workers=4) as loader:
        for step in loader:
            for batch in step.batches:
                train(*(crops.pixels() for crops in augment.prepare(batch, CropSpec(), seed=0, device=device)))
"""

from webssl_trainer.data.batch import BadDataError, Batch, BrokenReport, StepBatches
from webssl_trainer.data.block_cache import CacheSpec
from webssl_trainer.data.crop_spec import CropSpec, Photometric
from webssl_trainer.data.decode import MAX_PIXELS, BrokenSampleError, decode_image
from webssl_trainer.data.draws import Purpose, uniforms, uniforms_for
from webssl_trainer.data.eval_transform import EvalTransform
from webssl_trainer.data.index import DataIndex, SampleRef, ShardDamage
from webssl_trainer.data.index_build import build_index, load_index, load_or_build_index
from webssl_trainer.data.index_table import TableIndex
from webssl_trainer.data.labelled import LabelledImage, LabelledSet, open_labelled
from webssl_trainer.data.loader import Loader, LoaderCounters
from webssl_trainer.data.mixture import MixtureOrder, source_seed
from webssl_trainer.data.opening import OpenData, Source, check_source, load_data, prepare_data
from webssl_trainer.data.order import Order, SampleOrder
from webssl_trainer.data.plan import (
    BatchPlan,
    allowed_worlds,
    micro_batch_size,
    micro_batches,
    per_process,
    rank_positions,
    step_start,
    world_allowed,
)
from webssl_trainer.data.selected import JoinedIndex, SelectedIndex
from webssl_trainer.data.selection import Selection
from webssl_trainer.data.shards import Shard, expand_source
from webssl_trainer.data.stored_index import StoredIndex
from webssl_trainer.data.table_filter import Filter, select

__all__ = [
    "MAX_PIXELS",
    "BadDataError",
    "Batch",
    "BatchPlan",
    "BrokenReport",
    "BrokenSampleError",
    "CacheSpec",
    "CropSpec",
    "DataIndex",
    "EvalTransform",
    "Filter",
    "JoinedIndex",
    "LabelledImage",
    "LabelledSet",
    "Loader",
    "LoaderCounters",
    "MixtureOrder",
    "OpenData",
    "Order",
    "Photometric",
    "Purpose",
    "SampleOrder",
    "SampleRef",
    "SelectedIndex",
    "Selection",
    "Shard",
    "ShardDamage",
    "Source",
    "StepBatches",
    "StoredIndex",
    "TableIndex",
    "allowed_worlds",
    "build_index",
    "check_source",
    "decode_image",
    "expand_source",
    "load_data",
    "load_index",
    "load_or_build_index",
    "micro_batch_size",
    "micro_batches",
    "open_labelled",
    "per_process",
    "prepare_data",
    "rank_positions",
    "select",
    "source_seed",
    "step_start",
    "uniforms",
    "uniforms_for",
    "world_allowed",
]
