"""Which checkpoint an address means: a run's newest one that verifies, or the one that is named."""

from __future__ import annotations

from dataclasses import dataclass

from webssl_api.manifest import CheckpointManifest
from webssl_trainer.checkpoint.discovery import choose, survey, verify_objects
from webssl_trainer.checkpoint.layout import CHECKPOINTS, IDENTITY_NAME, split_address
from webssl_trainer.checkpoint.lineage import Candidate
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer
from webssl_trainer.storage import Storage, join

from webssl_eval.encoders.checkpoint import load_vit
from webssl_eval.published.trained import Trained, trained_of


@dataclass(frozen=True)
class Source:
    """A checkpoint whose objects have all been read and have the checksums of its manifest.

    Attributes:
        folder: its URL.
        manifest: its manifest.
        trained: what its identity.json says of the run.
    """

    folder: str
    manifest: CheckpointManifest
    trained: Trained

    def load(self, storage: Storage) -> VisionTransformer:
        """Its encoder, on the CPU. Raises UserError when the objective has none, or it is not in there."""
        return load_vit(storage, self.folder, self.trained.config, self.trained.objective)


def find(storage: Storage, uri: str) -> Source:
    """The checkpoint at an address, verified.

    Args:
        storage: where it is.
        uri: `spec.checkpoint.uri` of a run, for the newest checkpoint that verifies in the order of a resume; or the
            folder of one checkpoint, for that one.

    Raises:
        UserError: there is none, or none is whole; names what is wrong with the first.
    """
    run, named = split_address(uri)
    found = survey(storage, run)
    if named is not None:
        found = type(found)([item for item in found.ordered if item.key == named], found.listed)
    if not found.ordered:
        raise UserError(
            f"{uri} holds no committed checkpoint; name the spec.checkpoint.uri of a run that has saved one, or a "
            f"checkpoint's folder below it ({run}/{CHECKPOINTS}/attempt-.../step-...)"
        )

    def verify(candidate: Candidate) -> str | None:
        assert candidate.manifest is not None
        return verify_objects(storage, join(run, candidate.key.path), candidate.manifest.objects)

    chosen = choose(found, run, verify)
    if chosen.candidate is None:
        first = chosen.rejected[0]
        raise UserError(f"checkpoint {first.uri} is damaged: {first.reason}; name another one")
    manifest, folder = chosen.candidate.manifest, join(run, chosen.candidate.key.path)
    assert manifest is not None
    return Source(folder, manifest, trained_of(storage.read(join(folder, IDENTITY_NAME)), folder))
