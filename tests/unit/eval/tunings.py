"""Tunings at a small size, and what they left on storage."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from webssl_eval.encoders import VitEncoder, random_encoder
from webssl_eval.suites.interface import Kept, Workplace
from webssl_eval.suites.vqa.saved import TUNING, finished
from webssl_trainer.checkpoint.objects import ObjectReader
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import load_state
from webssl_trainer.model import VitConfig
from webssl_trainer.storage import Storage, join, open_storage

CONFIG = VitConfig(width=24, depth=2, heads=2, patch_size=7, image_size=28, layer_scale=1.0)


def encoder_at(_resolution: int | None, device: torch.device) -> VitEncoder:
    """What a child process makes of a checkpoint in real life."""
    return random_encoder(CONFIG, 28, 0, device)


def kept_place(folder: Path, processes: int = 1, name: str = "kept") -> Workplace:
    """A workplace that keeps what it tunes, with a scratch folder of its own for each name."""
    kept = Kept((folder / name).as_uri(), "digest", encoder_at, processes)
    return Workplace(
        open_storage(), folder / f"scratch-{name}", torch.device("cpu"), lambda *_: None, kept=kept
    )


def tunings(place: Workplace) -> list[str]:
    """URLs of the finished tunings of a place, by name."""
    assert place.kept is not None
    root = join(place.kept.folder, TUNING)
    digests = {
        info.url.removeprefix(root + "/").partition("/")[0] for info in place.storage.list_objects(root)
    }
    return [uri for uri in (join(root, digest) for digest in sorted(digests)) if finished(place.storage, uri)]


def stored(storage: Storage, uri: str) -> dict[str, Tensor]:
    """All tensors of a finished tuning, by name."""
    found = finished(storage, uri)
    assert found is not None
    metadata = ObjectReader(storage, join(uri, found.key.path)).read_metadata()
    state = {
        name: torch.empty(entry.size, dtype=entry.properties.dtype)
        for name, entry in metadata.state_dict_metadata.items()
    }
    load_state(storage, uri, found, state, Peers())
    return state


def weights_of(place: Workplace) -> list[dict[str, Tensor]]:
    """The tensors of all finished tunings of a place, those with more of them last: stage 1, then stage 2."""
    return sorted((stored(place.storage, uri) for uri in tunings(place)), key=len)
