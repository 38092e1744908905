"""A picture of what a condition keeps and what it drops."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from webssl_trainer.data.look import Seen, contact_sheet

_HEAD = 22
_INK = (40, 40, 40)


def kept_and_dropped(
    kept: Sequence[Seen], dropped: Sequence[Seen], where: str, columns: int = 10, side: int = 128
) -> Image.Image:
    """Thumbnails of the kept images under a heading, those of the dropped ones below; RGB.

    Args:
        kept, dropped: drawn images of each side.
        where: the condition, for the heading.
        columns: thumbnails in a row.
        side: of a thumbnail, in pixels.
    """
    parts = [
        (f"kept: {where}", contact_sheet(kept, columns, side)),
        ("dropped", contact_sheet(dropped, columns, side)),
    ]
    width = max(sheet.width for _, sheet in parts)
    whole = Image.new("RGB", (width, sum(sheet.height + _HEAD for _, sheet in parts)), (255, 255, 255))
    pen, top = ImageDraw.Draw(whole), 0
    for text, sheet in parts:
        pen.text((6, top + 5), text, fill=_INK, font_size=13)
        whole.paste(sheet, (0, top + _HEAD))
        top += sheet.height + _HEAD
    return whole
