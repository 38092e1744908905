"""Which checkpoints stay until they are scored. Pure; the protocol is in `webssl_api.evaluation_orders`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from webssl_api.evaluation_orders import EvaluationOrders, Held, HeldCheckpoint, RefusedRequest
from webssl_api.manifest import CheckpointManifest

from webssl_trainer.checkpoint.discovery import status_of
from webssl_trainer.checkpoint.layout import FolderKey, step_log_start
from webssl_trainer.checkpoint.lineage import Candidate

_REQUEST = re.compile(r"^(?:latest|(\d{1,15}))(?:@\S{1,100})?$")


@dataclass(frozen=True)
class Holding:
    """held: folders that must not be deleted. told: what the report says, oldest first; of it, what is over is not held.

    resolved: the request and the checkpoint that answers it; to be handed in again, or `latest` would be another one each time.
    """

    held: frozenset[FolderKey] = frozenset()
    told: tuple[HeldCheckpoint, ...] = ()
    resolved: Held | None = None
    refused: RefusedRequest | None = None


def hold(ordered: Sequence[Candidate], orders: EvaluationOrders, resolved: Held | None, uri: str) -> Holding:
    """What to hold now.

    Args:
        ordered: all candidates, in the order of discovery (the newest first).
        orders: the operator's.
        resolved: what answered the request before, if it was resolved.
        uri: the run's folder.
    """
    whole = [item for item in ordered if item.manifest is not None]
    by_digest = {item.manifest.digest: item for item in whole if item.manifest is not None}
    wanted = [
        Held(digest=digest)
        for digest, item in by_digest.items()
        if item.manifest is not None and is_due(item.manifest, orders.every_samples)
    ]
    resolved, refused = _resolve(whole, orders.request, resolved if orders.request else None, by_digest)
    wanted += [*([resolved] if resolved is not None else []), *orders.scoring]
    found = {one.model_dump_json(): one for one in wanted if one.digest in by_digest}.values()
    told = [
        HeldCheckpoint(checkpoint=status_of(by_digest[one.digest], uri), request=one.request) for one in found
    ]
    told.sort(key=lambda one: (one.checkpoint.attempt, one.checkpoint.step, one.request))
    held = frozenset(by_digest[one.digest].key for one in found if one not in orders.over)
    return Holding(held, tuple(told), resolved, refused)


def is_due(manifest: CheckpointManifest, every: int | None) -> bool:
    """Whether a checkpoint is the first of its lineage at or after a multiple of `every` samples.

    Its last step log begins where the checkpoint before it ended. The final checkpoint is never due: it is scored anyway.
    """
    if every is None or manifest.final or not manifest.step_logs or not manifest.step:
        return False
    before = manifest.samples * step_log_start(manifest.step_logs[-1]) // manifest.step
    return manifest.samples // every > before // every


def _resolve(
    whole: Sequence[Candidate], request: str, before: Held | None, known: dict[str, Candidate]
) -> tuple[Held | None, RefusedRequest | None]:
    """The checkpoint that answers a request, or why none does. Neither while there is no checkpoint at all."""
    if before is not None and before.request == request and before.digest in known:
        return before, None
    if not request:
        return None, None
    form = _REQUEST.match(request)
    if form is None:
        reason = (
            "it is neither `latest` nor a step, with @ANYTHING behind it or not; write latest@1, for example"
        )
        return None, RefusedRequest(request=request, reason=reason)
    if not whole:
        return None, None
    step = None if form[1] is None else int(form[1])
    for item in whole:
        if item.manifest is not None and step in (None, item.manifest.step):
            return Held(digest=item.manifest.digest, request=request), None
    steps = ", ".join(str(step) for step in sorted({item.key.step for item in whole}))
    reason = f"there is no checkpoint of step {step}; there are those of steps {steps}"
    return None, RefusedRequest(request=request, reason=reason)
