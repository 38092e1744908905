"""One word as a picture: set plainly, bent and turned, in display faces, and as a camera would see it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from webssl_cli.examples import fonts

WIDTH, HEIGHT = 192, 80
_FINE = 2
Colour = tuple[int, int, int]


def plain(word: str, faces: Mapping[str, Path], dice: random.Random) -> Image.Image:
    """Straight, in a face for reading."""
    mask = _mask(word, fonts.drawn(faces, fonts.PLAIN, dice), dice)
    return _seen(_inked(mask, dice), dice)


def irregular(word: str, faces: Mapping[str, Path], dice: random.Random) -> Image.Image:
    """Turned, bent along an arc, or seen from the side."""
    mask = _mask(word, fonts.drawn(faces, fonts.PLAIN, dice), dice, room=0.72)
    bend: Callable[[Image.Image, random.Random], Image.Image] = dice.choice((_turned, _arched, _aslant))
    return _seen(_inked(bend(mask, dice), dice), dice)


def artistic(word: str, faces: Mapping[str, Path], dice: random.Random) -> Image.Image:
    """A display face with a shadow, an outline or a run of colours."""
    mask = _mask(word, fonts.drawn(faces, fonts.DISPLAY, dice), dice)
    paper, ink = _two_colours(dice)
    sheet = _paper(paper, dice)
    way = dice.choice(("shadow", "outline", "run"))
    if way == "shadow":
        sheet.paste(_mixed(paper, (0, 0, 0), 0.45), (4, 4), mask)
    if way == "outline":
        sheet.paste(
            _mixed(ink, (255, 255, 255) if sum(ink) < 380 else (0, 0, 0), 0.8),
            (0, 0),
            mask.filter(ImageFilter.MaxFilter(7)),
        )
    sheet.paste(_run(ink, dice) if way == "run" else Image.new("RGB", sheet.size, ink), (0, 0), mask)
    return _seen(sheet, dice)


def _mask(word: str, file: Path, dice: random.Random, room: float = 0.9) -> Image.Image:
    """The word in white on black, as large as fits."""
    size = dice.randint(34, 52) * _FINE
    font = fonts.face(file, size)
    while font.getlength(word) > WIDTH * _FINE * room:
        size -= 2
        font = fonts.face(file, size)
    mask = Image.new("L", (WIDTH * _FINE, HEIGHT * _FINE))
    at = (mask.width / 2 + dice.uniform(-4, 4), mask.height / 2 + dice.uniform(-6, 6))
    ImageDraw.Draw(mask).text(at, word, 255, font, "mm")
    return mask


def _turned(mask: Image.Image, dice: random.Random) -> Image.Image:
    return mask.rotate(dice.choice((-1, 1)) * dice.uniform(6, 16), Image.Resampling.BICUBIC)


def _arched(mask: Image.Image, dice: random.Random) -> Image.Image:
    """Columns are moved up or down along an arc."""
    pixels, height = np.asarray(mask), dice.choice((-1, 1)) * dice.uniform(14, 26)
    bent = np.zeros_like(pixels)
    for x in range(mask.width):
        shift = round(height * (math.cos(math.pi * (x / mask.width - 0.5)) - 0.6))
        bent[:, x] = np.roll(pixels[:, x], -shift)
    return Image.fromarray(bent)


def _aslant(mask: Image.Image, dice: random.Random) -> Image.Image:
    """The far side is lower than the near one."""
    width, height, far = mask.width, mask.height, dice.uniform(0.1, 0.28)
    near, away = (0, 0, 0, height), (width, -far * height, width, height * (1 + far))
    left, right = (
        (near, away)
        if dice.random() < 0.5
        else ((0, -far * height, 0, height * (1 + far)), (width, 0, width, height))
    )
    corners = (*left, right[2], right[3], right[0], right[1])
    return mask.transform(mask.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)


def _two_colours(dice: random.Random) -> tuple[Colour, Colour]:
    """Paper and ink that differ enough to be read."""
    while True:
        paper, ink = (tuple(dice.randrange(256) for _ in range(3)) for _ in range(2))
        if abs(_light(paper) - _light(ink)) > 90:
            return (paper[0], paper[1], paper[2]), (ink[0], ink[1], ink[2])


def _light(colour: tuple[int, ...]) -> float:
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _inked(mask: Image.Image, dice: random.Random) -> Image.Image:
    paper, ink = _two_colours(dice)
    sheet = _paper(paper, dice)
    sheet.paste(ink, (0, 0), mask)
    return sheet


def _paper(colour: Colour, dice: random.Random) -> Image.Image:
    """One colour, a run of it, or boards."""
    size = (WIDTH * _FINE, HEIGHT * _FINE)
    way = dice.choice(("plain", "run", "boards"))
    sheet = _run(colour, dice) if way == "run" else Image.new("RGB", size, colour)
    if way == "boards":
        pen = ImageDraw.Draw(sheet)
        for y in range(0, size[1], dice.randint(18, 40)):
            pen.line(
                [(0, y), (size[0], y + dice.randint(-4, 4))],
                _mixed(colour, (0, 0, 0), 0.2),
                dice.randint(1, 4),
            )
    return sheet


def _run(colour: Colour, dice: random.Random) -> Image.Image:
    """A colour that grows lighter or darker across."""
    other = _mixed(colour, dice.choice(((255, 255, 255), (0, 0, 0))), 0.35)
    slope = (
        Image.linear_gradient("L").rotate(dice.choice((0, 90, 180))).resize((WIDTH * _FINE, HEIGHT * _FINE))
    )
    return Image.composite(Image.new("RGB", slope.size, other), Image.new("RGB", slope.size, colour), slope)


def _seen(sheet: Image.Image, dice: random.Random) -> Image.Image:
    """Smaller, uneven light, a little out of focus, and the sensor's noise."""
    small = sheet.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    soft = small.filter(ImageFilter.GaussianBlur(dice.uniform(0, 1.1)))
    noise = np.random.default_rng(dice.getrandbits(32))
    light = np.linspace(dice.uniform(0.75, 1.1), dice.uniform(0.75, 1.1), WIDTH)[None, :, None]
    pixels = np.asarray(soft, dtype=np.float32) * light
    pixels += noise.normal(0, dice.uniform(1, 12), pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
