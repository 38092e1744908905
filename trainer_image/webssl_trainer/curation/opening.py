"""From `spec` to what a pass works with: the index, pinned in the folder of the pass, and the scorers."""

from __future__ import annotations

from pathlib import Path

from webssl_api.curation import WebSSLCurationSpec

from webssl_trainer.curation.parts import Index, Parts
from webssl_trainer.curation.registry import make_scorers
from webssl_trainer.data import load_or_build_index
from webssl_trainer.data.index_build import Progress
from webssl_trainer.data.store_find import find_store
from webssl_trainer.storage import Storage


def open_index(
    storage: Storage, spec: WebSSLCurationSpec, threads: int = 8, progress: Progress | None = None
) -> Index:
    """The stored index of the source, or one that is made now and kept in the folder of the pass.

    Raises:
        UserError: no shard, no image, or a damaged index.
    """
    found = find_store(storage, spec.data.source, spec.data.index)
    if found is not None:
        return found
    return load_or_build_index(storage, spec.data.source, spec.output.uri, threads, progress)


def open_pass(storage: Storage, spec: WebSSLCurationSpec, scratch: Path, index: Index | None = None) -> Parts:
    """All that scoring needs.

    Args:
        storage: of shards, index and table.
        spec: the pass.
        scratch: local folder for models.
        index: the index where it is open already.

    Raises:
        UserError: see `open_index` and `make_scorers`.
    """
    index = index if index is not None else open_index(storage, spec)
    return Parts(storage, spec.output.uri, index, make_scorers(spec.scorers, storage, scratch))
