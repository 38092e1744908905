"""How a data file names an image."""

from __future__ import annotations

from dataclasses import dataclass

from webssl_trainer.storage import canonical, join


@dataclass(frozen=True, order=True)
class ImageRef:
    """An image: the URL of its file, or of a tar shard and the name of the member in it ("" for a plain file)."""

    url: str
    member: str = ""

    def __str__(self) -> str:
        return f"{self.url}#{self.member}" if self.member else self.url


def ref_of(folder: str, text: str) -> ImageRef:
    """The image that `text` names: `path` or `shard.tar#member`, relative to `folder`, or a URL.

    Raises:
        ValueError: empty, or a shard without a member's name.
    """
    path, mark, member = text.partition("#")
    if not path or (path.endswith(".tar") and not member):
        raise ValueError(f"image {text!r} names no image; write a path, or shard.tar#member")
    if mark and not path.endswith(".tar"):
        path, member = text, ""  # a file whose name holds the mark
    return ImageRef(canonical(path if "://" in path else join(folder, path)), member)
