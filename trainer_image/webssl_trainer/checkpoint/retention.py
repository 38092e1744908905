"""Which checkpoint folders may be deleted. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from webssl_trainer.checkpoint.layout import AttemptKey, FolderKey
from webssl_trainer.checkpoint.lineage import Candidate


def deletable(
    ordered: Sequence[Candidate],
    folders: Iterable[FolderKey],
    mine: AttemptKey,
    newest: FolderKey,
    keep: int,
    held: Collection[FolderKey] = (),
) -> list[FolderKey]:
    """Folders that attempt `mine` may delete after it committed and verified `newest`.

    ordered: all candidates in the order of discovery. folders: all folders, those without a manifest included. keep: number of
    checkpoints to keep besides final ones. held: those that stay for another reason. Never touched: final checkpoints, anything of a
    newer attempt, and folders of this attempt beyond `newest` (a save that is under way).
    """
    whole = [item for item in ordered if item.manifest is not None]
    kept = {item.key for item in whole[: max(keep, 1)]} | {newest, *held}
    kept |= {item.key for item in whole if item.manifest is not None and item.manifest.final}
    return sorted(
        key
        for key in folders
        if key not in kept and key.attempt <= mine and not (key.attempt == mine and key > newest)
    )
