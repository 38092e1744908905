"""A mixed set whose text is known: no text, few words, and pages, tables and charts; all made from packages.

* none: tuxpaint's stamps of animals, plants and food; emoji of animals, food and faces; windows of the fourteen photographs of
  scikit-image and scikit-learn.
* light: such windows with a caption of one to four words, whose share of the image is known; single words as on signs.
* heavy: charts of the tables of vega_datasets; pages of licences.

Every image is a JPEG of 320 to 640 pixels. The key of a sample begins with its kind.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from webssl_cli.datasets import cache_folder
from webssl_cli.examples import emoji, fonts
from webssl_cli.examples.charts import build as charts
from webssl_cli.examples.charts.tables import tables
from webssl_cli.examples.documents import build as documents
from webssl_cli.examples.documents.licences import licences, texts
from webssl_cli.examples.packages import from_debian, from_pypi
from webssl_cli.examples.words import crops
from webssl_trainer.data.decode import decode_image
from webssl_trainer.data.pack import folder_files

KINDS = {
    "stamp": "none", "emoji": "none", "photo": "none",
    "caption": "light", "word": "light",
    "chart": "heavy", "page": "heavy",
}  # fmt: skip
EACH = 240
_STAMPS = ("animals", "plants", "food")
_EMOJI = ("Animals & Nature", "Food & Drink", "Smileys & Emotion")
_SKIMAGE = (
    "rocket.jpg", "gravel.png", "grass.png", "chelsea.png", "retina.jpg", "coffee.png", "ihc.png", "brick.png",
    "hubble_deep_field.jpg", "motorcycle_left.png", "motorcycle_right.png", "astronaut.png",
)  # fmt: skip
_SKLEARN = ("china.jpg", "flower.jpg")
_WORDS = (
    "open", "daily", "fresh", "coffee", "summer", "sale", "welcome", "to", "the", "garden", "city", "market", "north",
    "station", "please", "wait", "here", "happy", "birthday", "grand", "hotel", "since", "1924", "mountain", "trail",
    "museum", "of", "art", "free", "entry", "best", "pizza", "in", "town",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """An image of the set. text_area: share of it that its letters' box covers; None where it is not known."""

    key: str
    image: Image.Image
    text_area: float | None = None

    @property
    def label(self) -> str:
        """none, light or heavy."""
        return KINDS[self.key.partition("-")[0]]


def mixed(seed: int = 0, each: int = EACH) -> Iterator[Known]:
    """All images, kind after kind; the same for the same seed."""
    cache = cache_folder()
    yield from _stamps(cache, seed, each)
    yield from _emoji(cache, seed, each)
    pictures = _photographs(cache)
    faces = fonts.fetch(cache)
    for number in range(each):
        yield Known(f"photo-{number:04d}", _window(pictures, random.Random(f"{seed} photo {number}")))
    for number in range(each):
        yield _captioned(pictures, faces, seed, number)
    yield from _words(faces, seed, each)
    yield from _charts(cache, faces, seed, each)
    yield from _pages(cache, faces, seed, each)


def jpeg(image: Image.Image, seed: str) -> bytes:
    """As files on the web are: 320 to 640 pixels long, quality 75 to 95, on white."""
    dice = random.Random(seed)
    scale = dice.randint(320, 640) / max(image.size)
    size = (max(32, round(image.width * scale)), max(32, round(image.height * scale)))
    flat = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    flat.save(buffer, "JPEG", quality=dice.randint(75, 95))
    return buffer.getvalue()


def _stamps(cache: Path, seed: int, each: int) -> Iterator[Known]:
    folder = from_debian("tuxpaint-stamps-default", cache) / "usr/share/tuxpaint/stamps"
    found = [file for name in _STAMPS for file in folder_files(folder / name)]
    for file in sorted(random.Random(seed).sample(found, min(each, len(found)))):
        yield Known(f"stamp-{file.parent.name}-{file.stem}", decode_image(file.read_bytes()))


def _emoji(cache: Path, seed: int, each: int) -> Iterator[Known]:
    folder = emoji.fetch(cache)
    entries = json.loads((folder.parents[2] / "emoji.json").read_text(encoding="utf-8"))
    found = sorted(entry["image"] for entry in entries if entry["category"] in _EMOJI)
    for name in random.Random(seed).sample(found, each):
        if (folder / name).exists():
            yield Known(f"emoji-{Path(name).stem}", decode_image((folder / name).read_bytes()))


def _photographs(cache: Path) -> list[Image.Image]:
    first = from_pypi("scikit-image==0.25.2", cache) / "skimage/data"
    second = from_pypi("scikit-learn==1.7.2", cache) / "sklearn/datasets/images"
    paths = [first / name for name in _SKIMAGE] + [second / name for name in _SKLEARN]
    return [Image.open(path).convert("RGB") for path in paths]


def _window(pictures: list[Image.Image], dice: random.Random) -> Image.Image:
    picture = dice.choice(pictures)
    side = dice.uniform(0.5, 1.0) * min(picture.size)
    width, height = min(picture.width, side * dice.uniform(1, 4 / 3)), side
    left, top = dice.uniform(0, picture.width - width), dice.uniform(0, picture.height - height)
    return picture.crop((round(left), round(top), round(left + width), round(top + height)))


def _captioned(pictures: list[Image.Image], faces: Mapping[str, Path], seed: int, number: int) -> Known:
    dice = random.Random(f"{seed} caption {number}")
    image = _window(pictures, dice)
    words = " ".join(dice.sample(_WORDS, dice.randint(1, 4)))
    text = words.upper() if dice.random() < 0.3 else words
    size = round(dice.uniform(0.06, 0.16) * image.height)
    pen, file = ImageDraw.Draw(image), fonts.drawn(faces, fonts.PLAIN, dice)
    while size > 8 and pen.textlength(text, fonts.face(file, size)) > 0.95 * image.width:
        size -= 1
    face = fonts.face(file, size)
    left, top, right, bottom = pen.textbbox((0, 0), text, face, stroke_width=max(1, size // 14))
    at = (
        dice.uniform(0, max(0, image.width - right)) - min(0, left),
        dice.uniform(0, image.height - bottom),
    )
    ink, edge = (("white", "black"), ("black", "white"), ("yellow", "black"))[dice.randrange(3)]
    pen.text(at, text, ink, face, stroke_width=max(1, size // 14), stroke_fill=edge)
    area = (right - left) * (bottom - top) / (image.width * image.height)
    return Known(f"caption-{number:04d}", image, area)


def _words(faces: Mapping[str, Path], seed: int, each: int) -> Iterator[Known]:
    draw = (crops.plain, crops.irregular, crops.artistic)
    for number in range(each):
        dice = random.Random(f"{seed} word {number}")
        yield Known(f"word-{number:04d}", draw[number % 3](dice.choice(_WORDS), faces, dice))


def _charts(cache: Path, faces: Mapping[str, Path], seed: int, each: int) -> Iterator[Known]:
    folder = from_pypi("vega_datasets==0.9.0", cache) / "vega_datasets" / "_data"
    found = list(tables(folder))
    for number, table in enumerate(random.Random(seed).sample(found, min(each, len(found)))):
        yield Known(f"chart-{number:04d}", charts.shown(table, faces, seed, 0).picture)


def _pages(cache: Path, faces: Mapping[str, Path], seed: int, each: int) -> Iterator[Known]:
    known = list(licences(texts(cache)))
    for number, licence in enumerate(random.Random(seed).sample(known, min(each, len(known)))):
        yield Known(f"page-{number:04d}", documents.shown(licence, faces, seed).picture)
