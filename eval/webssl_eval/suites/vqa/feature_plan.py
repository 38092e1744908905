"""Whether visual tokens of training images are kept between their uses, or made anew at each. Pure arithmetic.

Keeping costs disk: images x positions x width x 2 bytes (float16), where positions is the smaller of the patch grid and the visual
tokens: a grid that grows is kept as it is and resized when it is read. It saves encoding: each image once instead of once a use.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30
_SPARE = 0.9
"""Share of the free scratch space that features may take."""
PART_BYTES = 256 * 2**20
"""Images of one file of the cache: as many as fit into this."""


@dataclass(frozen=True)
class Need:
    """What a stage asks for.

    Attributes:
        images: distinct images.
        uses: how often an image is asked for in all.
        positions: what is kept of an image, see the module.
        width: of the encoder.
    """

    images: int
    uses: int
    positions: int
    width: int

    @property
    def bytes(self) -> int:
        """Bytes of all images' features."""
        return self.images * self.image_bytes

    @property
    def image_bytes(self) -> int:
        """Bytes of one image's features."""
        return self.positions * self.width * 2


@dataclass(frozen=True)
class Plan:
    """keep: whether features are kept on scratch. reason: why, for people."""

    keep: bool
    reason: str


def plan_of(need: Need, limit_gib: int, free: int, on_storage: bool) -> Plan:
    """The cheaper way.

    Args:
        need: what is asked for.
        limit_gib: the setting.
        free: bytes free on scratch, what is kept there already included.
        on_storage: whether features are to be kept beside the checkpoint as well.
    """
    room = min(limit_gib * GIB, int(free * _SPARE))
    size, passes = need.bytes / GIB, need.uses / max(1, need.images)
    if need.bytes > room:
        return Plan(False, f"{size:.2f} GiB of features do not fit the {room / GIB:.2f} GiB of scratch")
    if need.uses <= need.images and not on_storage:
        return Plan(False, "no image is used twice")
    return Plan(True, f"{size:.2f} GiB on scratch spare {max(0.0, passes - 1):.2f} passes of the encoder")


def images_per_part(need: Need) -> int:
    """Images of one file of the cache."""
    return max(1, PART_BYTES // max(1, need.image_bytes))
