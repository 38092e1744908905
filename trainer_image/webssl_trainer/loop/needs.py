"""Whether data and storage hold what the objective needs, asked before the first step."""

from __future__ import annotations

from webssl_trainer.data import DataIndex
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.interface import Needs
from webssl_trainer.storage import Storage, StorageNotFoundError


def check_members(index: DataIndex, needs: Needs, max_bad_fraction: float) -> None:
    """Raises UserError when more samples lack a needed member than may be broken; the index knows without a read."""
    for ext, field in needs.members.items():
        having, samples = index.count_with(ext), len(index)
        if samples - having > max_bad_fraction * samples:
            found = f"only {having} of {samples} samples have" if having else f"none of {samples} samples has"
            raise UserError(
                f"{field} {ext!r}: {found} a member with this extension beside the image (first shard: "
                f"{index.shards[0]}); set {field} to the extension that your shards use, or choose data with it"
            )


def read_files(storage: Storage, needs: Needs) -> dict[str, bytes]:
    """The bytes of the needed files by URL. Raises UserError when one does not exist."""
    files = {}
    for url in needs.files:
        try:
            files[url] = storage.read(url)
        except StorageNotFoundError as error:
            raise UserError(
                f"{url}, named in spec.objective, does not exist; write its right address"
            ) from error
    return files
