"""Pages as pictures: a letter, two columns, a form and a printout, as if they had been scanned."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFilter

from webssl_cli.examples import fonts
from webssl_cli.examples.documents.licences import Licence

WIDTH, HEIGHT, MARGIN = 620, 800, 48
Layout = Literal["letter", "columns", "form", "printout"]
LAYOUTS: tuple[Layout, ...] = ("letter", "columns", "form", "printout")

_SERIF = ("LiberationSerif-Regular.ttf", "LiberationSans-Regular.ttf", "Lato-Regular.ttf")
_BOLD = {
    "LiberationSerif-Regular.ttf": "LiberationSerif-Bold.ttf",
    "LiberationSans-Regular.ttf": "LiberationSans-Bold.ttf",
    "Lato-Regular.ttf": "Lato-Bold.ttf",
    "LiberationMono-Regular.ttf": "LiberationMono-Bold.ttf",
}


@dataclass(frozen=True)
class Page:
    """A page. shown: the names of the fields that stand on it. text: what of the licence's text does. number: of the page."""

    picture: Image.Image
    layout: Layout
    shown: tuple[str, ...]
    text: str
    number: int


def page(licence: Licence, faces: Mapping[str, Path], dice: random.Random) -> Page:
    """The first page of a licence, in a layout and with faces that are drawn."""
    layout = dice.choice(LAYOUTS)
    name = "LiberationMono-Regular.ttf" if layout == "printout" else dice.choice(_SERIF)
    sheet = _Sheet(faces[name], faces[_BOLD[name]], dice.choice((12, 13, 14)))
    number = dice.randint(1, 40)
    shown, top = _HEADS[layout](sheet, licence)
    if layout == "columns":
        half = (WIDTH - 2 * MARGIN - 24) // 2
        first, rest = sheet.flow(licence.text, MARGIN, top, half)
        second, _ = sheet.flow(rest, MARGIN + half + 24, top, half)
        text = f"{first}\n{second}"
    else:
        text, _ = sheet.flow(licence.text, MARGIN, top, WIDTH - 2 * MARGIN)
    sheet.write((WIDTH / 2, HEIGHT - 26), f"- {number} -", "mm")
    return Page(_scanned(sheet.image, dice), layout, shown, text, number)


class _Sheet:
    def __init__(self, face: Path, bold: Path, size: int) -> None:
        self.image = Image.new("L", (WIDTH, HEIGHT), 255)
        self.pen = ImageDraw.Draw(self.image)
        self.size, self._face, self._bold = size, face, bold

    def font(self, more: int = 0, *, bold: bool = False) -> fonts.Face:
        return fonts.face(self._bold if bold else self._face, self.size + more)

    def write(
        self, at: tuple[float, float], text: str, anchor: str = "la", more: int = 0, *, bold: bool = False
    ) -> None:
        self.pen.text(at, text, 20, self.font(more, bold=bold), anchor)

    def lines(self, text: str, width: float, more: int = 0, *, bold: bool = False) -> list[str]:
        """Text in lines no wider than `width`, words whole."""
        font, lines = self.font(more, bold=bold), [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and font.getlength(longer) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    def block(self, text: str, top: float, more: int, anchor: str = "ma") -> float:
        """A heading over the whole width; where the next thing may begin."""
        for line in self.lines(text, WIDTH - 2 * MARGIN, more, bold=True):
            at = (WIDTH / 2 if anchor == "ma" else MARGIN, top)
            self.write(at, line, anchor, more, bold=True)
            top += self.size + more + 5
        return top

    def flow(self, text: str, left: float, top: float, width: float) -> tuple[str, str]:
        """Paragraphs down to the foot of the page: what is there, its lines apart, and what is left."""
        written: list[str] = []
        paragraphs = text.split("\n\n")
        while paragraphs:
            lines = self.lines(paragraphs[0], width)
            while lines:
                if top + self.size > HEIGHT - 50:
                    return "\n".join(written), "\n\n".join([" ".join(lines), *paragraphs[1:]])
                self.write((left, top), lines[0])
                written.append(lines.pop(0))
                top += self.size + 4
            paragraphs.pop(0)
            top += self.size * 0.6
        return "\n".join(written), ""


def _letter(sheet: _Sheet, licence: Licence) -> tuple[tuple[str, ...], float]:
    top = sheet.block(licence.name, MARGIN, 8)
    address = _fitting(sheet, licence.address)
    sheet.write((WIDTH / 2, top + 4), address, "ma")
    return ("name", "address") if address else ("name",), top + 22 + (sheet.size if address else 0)


def _columns(sheet: _Sheet, licence: Licence) -> tuple[tuple[str, ...], float]:
    sheet.write((MARGIN, 24), licence.identifier)
    sheet.write((WIDTH - MARGIN, 24), "OSI approved" if licence.approved else "not OSI approved", "ra")
    sheet.pen.line([(MARGIN, 44), (WIDTH - MARGIN, 44)], 60, 1)
    return ("identifier", "approved", "name"), sheet.block(licence.name, 58, 5, "la") + 10


def _form(sheet: _Sheet, licence: Licence) -> tuple[tuple[str, ...], float]:
    top = sheet.block("Licence record", MARGIN - 10, 6) + 6
    rows = {
        "identifier": ("Identifier", licence.identifier),
        "name": ("Full name", licence.name),
        "approved": ("OSI approved", "yes" if licence.approved else "no"),
        "address": ("Source", _fitting(sheet, licence.address, 150)),
    }
    found = {key: row for key, row in rows.items() if row[1]}
    for label, value in found.values():
        lines = sheet.lines(value, WIDTH - 2 * MARGIN - 150)
        bottom = top + len(lines) * (sheet.size + 4) + 8
        sheet.pen.rectangle((MARGIN, top, WIDTH - MARGIN, bottom), None, 90)
        sheet.pen.line([(MARGIN + 130, top), (MARGIN + 130, bottom)], 90)
        sheet.write((MARGIN + 6, top + 4), label, bold=True)
        for number, line in enumerate(lines):
            sheet.write((MARGIN + 138, top + 4 + number * (sheet.size + 4)), line)
        top = bottom
    return tuple(found), top + 18


def _printout(sheet: _Sheet, licence: Licence) -> tuple[tuple[str, ...], float]:
    sheet.write((MARGIN, 26), f"SPDX-License-Identifier: {licence.identifier}")
    top = 26 + 2 * (sheet.size + 4)
    for line in sheet.lines(licence.name, WIDTH - 2 * MARGIN):
        sheet.write((MARGIN, top), line)
        top += sheet.size + 4
    return ("identifier", "name"), top + 12


_HEADS = {"letter": _letter, "columns": _columns, "form": _form, "printout": _printout}


def _fitting(sheet: _Sheet, address: str, less: float = 0) -> str:
    """An address that fits on its line; "" instead of another one."""
    room, font = WIDTH - 2 * MARGIN - less, sheet.font()
    return address if font.getlength(address) <= room else ""


def _scanned(paper: Image.Image, dice: random.Random) -> Image.Image:
    """A little turned, a little dirty, a little soft, on paper that is not quite white; 64 colours."""
    turned = paper.rotate(dice.uniform(-1.2, 1.2), Image.Resampling.BICUBIC, fillcolor=255)
    pen = ImageDraw.Draw(turned)
    for _ in range(dice.randint(0, 120)):
        x, y, grey = dice.randrange(WIDTH), dice.randrange(HEIGHT), dice.randint(120, 220)
        pen.ellipse((x, y, x + dice.choice((1, 1, 2)), y + 1), grey)
    soft = turned.filter(ImageFilter.GaussianBlur(dice.choice((0.0, 0.0, 0.4, 0.6))))
    white = dice.randint(236, 255)
    tint = (white, white - dice.randint(0, 6), white - dice.randint(0, 18))
    tinted = Image.merge("RGB", [soft.point([value * top // 255 for value in range(256)]) for top in tint])
    return tinted.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
