"""Captions in published JSON files: Karpathy's splits of COCO and Flickr30k, and COCO's own annotations. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webssl_trainer.errors import UserError
from webssl_trainer.storage import ObjectInfo

_TRAINING = ("train", "restval")
_TESTING = ("test",)


@dataclass(frozen=True)
class Entry:
    """One image with all its captions. path: where the image lies, as far as the file says."""

    key: str
    path: str
    captions: tuple[str, ...]


def entries_of(data: bytes, training: bool, where: str) -> list[Entry]:
    """The images that a file of captions names, in its order, each once with all its captions.

    Args:
        data: Karpathy's layout (`images` with `filename`, `split` and `sentences`), or COCO's (`images` with `id` and
            `file_name`, `annotations` with `image_id` and `caption`).
        training: of Karpathy's, whether to take the splits train and restval, or test. COCO's files have no splits.
        where: the file, for errors.

    Raises:
        UserError: no such file, or no image of the splits in it.
    """
    try:
        document = json.loads(data)
        images = document["images"]
        read = _coco(document) if "annotations" in document else _karpathy(images, training)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{where} has neither Karpathy's layout (images with filename, split and sentences) nor COCO's (images and "
            f"annotations): {type(error).__name__} {error}; name such a file, shards (*.tar) or a folder"
        ) from error
    if not read:
        splits = " or ".join(_TRAINING if training else _TESTING)
        raise UserError(f"{where} has no image of the split {splits}; name a file that has one")
    return read


def located(
    entries: Sequence[Entry], listed: Sequence[ObjectInfo], root: str, where: str
) -> list[ObjectInfo]:
    """The object of each entry: below `root` at its path, else the only one of that name.

    Raises:
        UserError: an image is missing, or several have its name.
    """
    by_url = {info.url: info for info in listed}
    by_name: dict[str, list[ObjectInfo]] = {}
    for info in listed:
        by_name.setdefault(info.url.rpartition("/")[2], []).append(info)
    found, lost = [], []
    for entry in entries:
        exact = by_url.get(f"{root}/{entry.path}")
        named = [exact] if exact else by_name.get(entry.path.rpartition("/")[2], [])
        if len(named) > 1:
            raise UserError(
                f"{where}: image {entry.path} may be {named[0].url} or {named[1].url}; keep one of them below {root}"
            )
        found += named
        if not named:
            lost.append(entry.path)
    if lost:
        raise UserError(
            f"{where}: {len(lost)} of its {len(entries)} images are not below {root}, first {lost[0]}; copy them there"
        )
    return found


def _karpathy(images: Sequence[dict[str, Any]], training: bool) -> list[Entry]:
    splits = _TRAINING if training else _TESTING
    return [
        Entry(
            str(item.get("imgid", item["filename"])),
            "/".join(filter(None, (item.get("filepath", ""), item["filename"]))),
            tuple(str(sentence["raw"]) for sentence in item["sentences"]),
        )
        for item in images
        if item["split"] in splits
    ]


def _coco(document: dict[str, Any]) -> list[Entry]:
    captions: dict[Any, list[str]] = {}
    for annotation in document["annotations"]:
        captions.setdefault(annotation["image_id"], []).append(str(annotation["caption"]))
    return [
        Entry(str(item["id"]), str(item["file_name"]), tuple(captions.get(item["id"], ())))
        for item in document["images"]
    ]
