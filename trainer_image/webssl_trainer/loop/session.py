"""Everything one training process holds during an attempt, put together once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog
import torch
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from webssl_api.manifest import CheckpointManifest, StartedFrom

from webssl_trainer.checkpoint import identity as identities
from webssl_trainer.checkpoint.layout import FolderKey
from webssl_trainer.checkpoint.origin import Origin, check_fits, find_origin
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen, Start, begin_attempt, load_state
from webssl_trainer.checkpoint.saver import SaveOrder, Saver
from webssl_trainer.checkpoint.steplog import StepLog
from webssl_trainer.checkpoint.weights import all_weights, encoder_weights, load_weights, spread_encoder
from webssl_trainer.config import TrainerConfig
from webssl_trainer.configs.encoders import ENCODERS
from webssl_trainer.data import DataIndex, Loader, OpenData, load_data, prepare_data
from webssl_trainer.loop.factory import build_objective
from webssl_trainer.loop.needs import check_members, read_files
from webssl_trainer.loop.processes import Processes
from webssl_trainer.objectives import Objective
from webssl_trainer.optim import Schedules, build_optimizer
from webssl_trainer.storage import Storage

log = structlog.get_logger("webssl.loop")


@dataclass
class Session:
    """One attempt of one process. step: optimizer steps done; saved_step: step of the newest committed checkpoint."""

    config: TrainerConfig
    processes: Processes
    storage: Storage
    data: OpenData
    objective: Objective
    optimizer: torch.optim.Optimizer
    schedules: Schedules
    start: Start
    saver: Saver
    step: int
    steplog: StepLog
    saved_step: int
    parent: str = ""
    started_from: StartedFrom | None = None
    productive_seconds: float = 0.0
    identity: dict[str, Any] = field(default_factory=dict)

    @property
    def index(self) -> DataIndex:
        """The samples that the run sees."""
        return self.data.index

    def loader(self, stage: int) -> Loader:
        """Batches from the present step to the end of a stage."""
        config, peers, cache = self.config, self.processes.peers, self.config.cache
        if cache is not None:
            local = min(cache.local_world, peers.world)
            cache = replace(cache, local_rank=peers.rank % local, local_world=local)
        return Loader(
            storage=self.storage,
            index=self.data.index,
            order=self.data.order,
            plan=config.plan,
            crops=config.crops_of(stage),
            rank=peers.rank,
            world=peers.world,
            seed=config.seed,
            start_position=self.step * config.plan.global_batch,
            steps=config.stages[stage].end - self.step,
            workers=config.loader_threads,
            max_bad_fraction=config.max_bad_fraction,
            extras=tuple(config.objective.needs.members),
            cache=cache,
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: networks by name, and the optimizer by parameter name."""
        modules = {name: module.state_dict() for name, module in self.objective.modules.items()}
        return {
            "modules": modules,
            "optimizer": get_optimizer_state_dict(self.objective.trained, self.optimizer),
        }

    def save_order(self, final: bool) -> SaveOrder:
        """The order to save the present step."""
        claim, config, peers = self.start.claim, self.config, self.processes.peers
        written = self.steplog.cut() if peers.leads else None
        manifest = CheckpointManifest(
            run_uid=config.run_uid,
            attempt=claim.attempt,
            step=self.step,
            samples=self.step * config.plan.global_batch,
            stage=config.stage_at(self.step),
            final=final,
            world_size=peers.world,
            config_digest=identities.digest_of(config.identity),
            parent=self.parent,
            started_from=self.started_from,
            resumed_step=self.start.step,
            step_logs=[*self.steplog.paths, *([written.path] if written else [])],
            lost_steps=self.start.lost_steps,
            productive_seconds=round(self.productive_seconds, 3),
            torch_version=torch.__version__,
            objects=[],
        )
        key = FolderKey(claim.key, self.step)
        return SaveOrder(key, manifest, identities.to_bytes(self.identity), written)


def open_session(config: TrainerConfig, processes: Processes, storage: Storage, seen: Seen) -> Session:
    """Claim an attempt, choose a checkpoint, build the networks and load it."""
    uri = config.checkpoint_uri
    nonce, now = uuid.uuid4().hex[:16], datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    start = begin_attempt(storage, uri, processes.peers, nonce, now, seen, dict(config.identity))
    session = assemble(config, processes, storage, start)
    began = session.started_from
    log.info("attempt.started", attempt=start.claim.attempt, step=start.step, world=processes.peers.world,
             resumed_from=None if start.candidate is None else start.candidate.key.path,
             started_from=None if began is None else began.uri,
             lost_steps=start.lost_steps, samples_in_data=len(session.index))  # fmt: skip
    return session


def assemble(config: TrainerConfig, processes: Processes, storage: Storage, start: Start) -> Session:
    """Read the data's index, build the networks, and load the checkpoint where there is one, else the weights that
    the run begins with. Claims nothing."""
    peers, uri = processes.peers, config.checkpoint_uri
    origin = _origin(config, storage, start, peers)
    before = origin.manifest if origin else start.manifest
    data = _open_data(config, processes, storage, start.index_digest)
    check_members(data.index, config.objective.needs, config.max_bad_fraction)
    objective = build_objective(config, processes, read_files(storage, config.objective.needs))
    session = Session(
        config=config,
        processes=processes,
        storage=storage,
        data=data,
        objective=objective,
        optimizer=build_optimizer(objective.param_groups(), config.optim),
        schedules=Schedules(config.optim, config.total_steps),
        start=start,
        saver=Saver(storage, uri, peers, config.keep),
        step=start.step,
        steplog=StepLog(start.claim.key, start.last_log),
        saved_step=start.step,
        parent="" if before is None else before.digest,
        started_from=origin.started_from if origin else start.started_from,
        productive_seconds=0.0 if start.manifest is None else start.manifest.productive_seconds,
        identity={**config.identity, identities.INDEX: data.digest},
    )
    if start.candidate is not None:
        state = session.state()
        load_state(storage, uri, start.candidate, state, peers)
        for name, module in objective.modules.items():
            module.load_state_dict(state["modules"][name])
        set_optimizer_state_dict(objective.trained, session.optimizer, state["optimizer"])
    elif origin is not None:
        _take_weights(session, origin)
    return session


def _origin(config: TrainerConfig, storage: Storage, start: Start, peers: Peers) -> Origin | None:
    """The checkpoint of another run to begin with; None when this run has one of its own, or begins with random weights."""
    wanted = config.start_from
    if start.candidate is not None or wanted is None:
        return None
    origin = find_origin(storage, replace(wanted, digest=start.began_with or wanted.digest), peers)
    check_fits(origin, config.identity, wanted.encoder_only)
    return origin


def _take_weights(session: Session, origin: Origin) -> None:
    """All networks from a checkpoint of another run, or the encoder alone."""
    objective, wanted = session.objective, session.config.start_from
    storage, folder, peers = session.storage, origin.folder, session.processes.peers
    if wanted is None or not wanted.encoder_only:
        load_weights(storage, folder, all_weights(objective.modules), peers)
        return
    stored = ENCODERS.get(origin.objective, objective.encoder)
    load_weights(storage, folder, encoder_weights(objective.modules, objective.encoder, stored), peers)
    spread_encoder(objective.modules, objective.encoder)


def _open_data(config: TrainerConfig, processes: Processes, storage: Storage, pinned: str) -> OpenData:
    """The data of the checkpoint, or of the sources as they are now; rank 0 looks at them, the others read what it kept."""
    uri = config.checkpoint_uri

    def prepared() -> str:
        batch = config.plan.global_batch
        return prepare_data(storage, config.sources, uri, neighbours=config.neighbours, global_batch=batch)

    digest = pinned or processes.peers.led(prepared)
    return load_data(storage, uri, digest, config.seed)
