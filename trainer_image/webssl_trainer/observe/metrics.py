"""Prometheus metrics of rank 0. Names and labels are bounded; the pod's labels tell runs apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from webssl_trainer.data.causes import Cause
from webssl_trainer.data.chunk_store import TROUBLES
from webssl_trainer.observe.counts import DATA_BYTES, READS, Counts
from webssl_trainer.observe.flops import ADJUSTED, NOMINAL
from webssl_trainer.observe.step_clock import PARTS
from webssl_trainer.storage import HEDGES

log = structlog.get_logger("webssl.metrics")

_STEP_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_SAVE_BUCKETS = (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600)


class _Counted(NamedTuple):
    """The series of one group of `Counts`: the values that its one label may have, and which group it is."""

    name: str
    help: str
    label: str
    values: Sequence[str]
    of: Callable[[Counts], Mapping[str, int]]


_COUNTED = (
    _Counted(
        "webssl_trainer_storage_retries",
        "Reads and writes tried again in this attempt, all processes, by cause.",
        "cause",
        READS,
        lambda counts: counts.retries,
    ),
    _Counted(
        "webssl_trainer_storage_hedges",
        "Slow reads asked for a second time in this attempt, all processes: sent, and won by the second answer.",
        "result",
        HEDGES,
        lambda counts: counts.hedges,
    ),
    _Counted(
        "webssl_trainer_data_bytes",
        "Bytes of training data in this attempt, all processes: read from storage, used, found in the cache of blocks.",
        "kind",
        DATA_BYTES,
        lambda counts: counts.data_bytes,
    ),
    _Counted(
        "webssl_trainer_data_cache_troubles",
        "What kept blocks out of the cache in this attempt, all processes, by cause.",
        "cause",
        TROUBLES,
        lambda counts: counts.cache_troubles,
    ),
)


class TrainerMetrics:
    """All series of a training process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.step_seconds = Histogram(
            "webssl_trainer_step_seconds",
            "Wall time of one optimizer step.",
            buckets=_STEP_BUCKETS,
            registry=own,
        )
        self.part_seconds = Counter(
            "webssl_trainer_step_part_seconds",
            "Wall time of training by part, saves and the time between steps included.",
            ["part"],
            registry=own,
        )
        self.images = Counter(
            "webssl_trainer_images", "Images trained on by all processes, in this attempt.", registry=own
        )
        self.images_per_second = Gauge(
            "webssl_trainer_images_per_second", "Over the last steps, all processes.", registry=own
        )
        self.loss = Gauge(
            "webssl_trainer_loss", "Loss and its terms at the last step.", ["term"], registry=own
        )
        self.learning_rate = Gauge(
            "webssl_trainer_learning_rate", "Learning rate at the last step.", registry=own
        )
        self.gradient_norm = Gauge(
            "webssl_trainer_gradient_norm", "Gradient norm before clipping, last step.", registry=own
        )
        self.mfu = Gauge(
            "webssl_trainer_mfu_ratio",
            "FLOP/s of the model over the devices' peak, by kind: nominal, or adjusted for skipped branches. 0 if unknown.",
            ["kind"],
            registry=own,
        )
        self.step = Gauge("webssl_trainer_step", "Optimizer steps done.", registry=own)
        self.samples = Gauge("webssl_trainer_samples", "Samples seen.", registry=own)
        self.attempt = Gauge("webssl_trainer_attempt", "Number of the attempt.", registry=own)
        self.world_size = Gauge("webssl_trainer_world_size", "Processes in the round.", registry=own)
        self.broken_samples = Gauge(
            "webssl_trainer_broken_samples", "Broken samples replaced in this attempt.", registry=own
        )
        self.broken_by_cause = Gauge(
            "webssl_trainer_broken_samples_by_cause",
            "Broken samples met in this attempt, broken stand-ins included, by cause.",
            ["cause"],
            registry=own,
        )
        self._counted = [
            (Gauge(counted.name, counted.help, [counted.label], registry=own), counted)
            for counted in _COUNTED
        ]
        self.skipped_steps = Counter(
            "webssl_trainer_skipped_steps", "Steps skipped: loss or gradient not finite.", registry=own
        )
        self.save_seconds = Histogram(
            "webssl_trainer_checkpoint_seconds",
            "Time of a save from start to commit.",
            buckets=_SAVE_BUCKETS,
            registry=own,
        )
        self.stall_seconds = Histogram(
            "webssl_trainer_checkpoint_stall_seconds",
            "Time training waited for a save.",
            buckets=_SAVE_BUCKETS,
            registry=own,
        )
        self.saves = Counter("webssl_trainer_checkpoints", "Saves by outcome.", ["outcome"], registry=own)
        self.lost_steps = Gauge(
            "webssl_trainer_lost_steps", "Steps trained and rolled back, all attempts.", registry=own
        )
        known = (
            (self.part_seconds, PARTS),
            (self.mfu, (NOMINAL, ADJUSTED)),
            (self.broken_by_cause, [cause.value for cause in Cause]),
            (self.saves, ("committed", "failed")),
            *((series, counted.values) for series, counted in self._counted),
        )
        for series, values in known:
            for value in values:
                series.labels(value)

    def set_counts(self, counts: Counts) -> None:
        """Requests, bytes and the cache's troubles of the attempt so far."""
        for series, counted in self._counted:
            for value, count in counted.of(counts).items():
                series.labels(value).set(count)

    def serve(self, port: int) -> None:
        """Answer scrapes on `port`. A port that is taken costs the metrics, not the training."""
        try:
            start_http_server(port, registry=self.registry)
        except OSError as error:
            log.warning("metrics.not_served", port=port, error=str(error))

    def set_losses(self, losses: Mapping[str, float]) -> None:
        """The loss (term `loss`) and its terms."""
        for term, value in losses.items():
            self.loss.labels(term).set(value)
