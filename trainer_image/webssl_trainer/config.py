"""From the manifest's spec to the settings of each part of the trainer. Pure; the only place that knows both sides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError
from webssl_api import env
from webssl_api.data import DataSpec, FilterSpec
from webssl_api.model import Weights
from webssl_api.resolved import ResolvedRun
from webssl_api.run import WebSSLRunSpec

from webssl_trainer.checkpoint.identity import identity_of
from webssl_trainer.checkpoint.origin import StartFrom
from webssl_trainer.configs import objective_config
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.data import BatchPlan, CacheSpec, CropSpec, Filter, Source
from webssl_trainer.errors import UserError
from webssl_trainer.model import Compute, VitConfig
from webssl_trainer.objectives.interface import ObjectiveConfig
from webssl_trainer.optim import OptimConfig
from webssl_trainer.storage import StorageOptions


@dataclass(frozen=True)
class Stage:
    """Steps [first, end) at one resolution; sides of the crops in pixels."""

    first: int
    end: int
    global_size: int
    local_size: int


@dataclass(frozen=True)
class TrainerConfig:
    """Everything a training process needs to know, in its own terms. Steps are optimizer steps."""

    run_uid: str
    vit: VitConfig
    objective: ObjectiveConfig
    compute: Compute
    optim: OptimConfig
    plan: BatchPlan
    stages: tuple[Stage, ...]
    seed: int
    checkpoint_uri: str
    checkpoint_every: int
    keep: int
    sources: tuple[Source, ...]
    loader_threads: int
    max_bad_fraction: float
    log_sample_ids: bool
    storage: StorageOptions
    identity: dict[str, object]
    start_from: StartFrom | None = None
    cache: CacheSpec | None = None
    neighbours: int | None = None

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.stages[-1].end

    def stage_at(self, step: int) -> int:
        """Number of the stage that a step belongs to; the last one after the end."""
        return next(
            (number for number, stage in enumerate(self.stages) if step < stage.end), len(self.stages) - 1
        )

    def crops_of(self, stage: int) -> CropSpec:
        """What the loader cuts in a stage."""
        sides = self.stages[stage]
        return replace(self.objective.crops, global_size=sides.global_size, local_size=sides.local_size)


def read_run(path: Path) -> ResolvedRun:
    """The run file of a pod. Raises UserError when it is missing or says something the API does not allow."""
    try:
        return ResolvedRun.from_yaml(path.read_text())
    except OSError as error:
        raise UserError(f"run file {path} cannot be read: {error}") from error
    except ValidationError as error:
        raise UserError(f"run file {path} is not a valid run: {error}") from error


def trainer_config(run: ResolvedRun) -> TrainerConfig:
    """The settings of a run. Raises UserError naming the field when the parts refuse them."""
    spec = run.spec
    stages, start = _stages(spec), spec.model.start_from
    return TrainerConfig(
        run_uid=run.uid,
        vit=architecture(spec),
        objective=objective_config(spec, stages[-1].end),
        compute=Compute(
            spec.compute.compile, spec.compute.activation_checkpointing.value, spec.compute.float8
        ),
        optim=_optim(spec, stages[-1].end),
        plan=BatchPlan(
            global_batch=spec.schedule.global_batch_size,
            group_size=spec.group_size,
            micro_batch=spec.schedule.micro_batch_size or 0,
        ),
        stages=stages,
        seed=spec.data.seed,
        checkpoint_uri=spec.checkpoint.uri,
        checkpoint_every=-(-spec.checkpoint.interval.samples // spec.schedule.global_batch_size),
        keep=spec.checkpoint.keep,
        sources=_sources(spec.data),
        loader_threads=spec.data.loader_threads,
        max_bad_fraction=spec.data.max_bad_fraction,
        log_sample_ids=spec.log_sample_ids,
        storage=StorageOptions.from_env(endpoint=spec.data.storage.endpoint, region=spec.data.storage.region),
        identity=identity_of(spec),
        start_from=None
        if start is None
        else StartFrom(start.checkpoint, start.digest or "", start.weights is Weights.ENCODER),
        cache=_cache(spec),
        neighbours=spec.data.neighbours,
    )


def _cache(spec: WebSSLRunSpec) -> CacheSpec | None:
    """The cache as rank 0 of a worker sees it; see `Session.loader`."""
    cache = spec.data.cache
    if cache is None:
        return None
    folder = Path(cache.path or env.CACHE_MOUNT) / "blocks"
    return CacheSpec(folder, cache.max_bytes, local_world=spec.workers.processes_per_worker)


def _sources(data: DataSpec) -> tuple[Source, ...]:
    first = Source(data.source, data.weight or 1.0, _filter(data.filter), data.index)
    more = (Source(item.source, item.weight, _filter(item.filter), item.index) for item in data.mix or [])
    return (first, *more)


def _filter(spec: FilterSpec | None) -> Filter | None:
    return None if spec is None else Filter(spec.table, spec.where, spec.max_unmatched_fraction)


def _stages(spec: WebSSLRunSpec) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    first = 0
    for number, stage in enumerate(spec.schedule.stages):
        end = first + spec.schedule.steps_of(number)
        stages.append(Stage(first, end, stage.resolution, stage.local_side(spec.model.patch_size)))
        first = end
    return tuple(stages)


_ADAM: dict[str, tuple[float, float]] = {"dino": (0.999, 1e-8), "mae": (0.95, 1e-8), "clip": (0.98, 1e-6)}
"""AdamW's second beta and epsilon where the manifest leaves them out: as published for DINOv2, MAE and CLIP."""


def _optim(spec: WebSSLRunSpec, total_steps: int) -> OptimConfig:
    optimizer = spec.optimizer
    beta2, epsilon = _ADAM[spec.objective.kind]
    return OptimConfig(
        learning_rate=optimizer.learning_rate,
        min_learning_rate=optimizer.min_learning_rate,
        warmup_steps=round(optimizer.warmup_fraction * total_steps),
        weight_decay=optimizer.weight_decay_start,
        weight_decay_end=optimizer.weight_decay_end,
        betas=(0.9, optimizer.beta2 or beta2),
        eps=optimizer.epsilon or epsilon,
        clip=optimizer.clip_gradient or None,
    )
