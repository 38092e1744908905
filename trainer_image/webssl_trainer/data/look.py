"""A look at a data set: what the index counts, what a drawn sample of images is, how fast the storage is from here."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from webssl_trainer.data.decode import BrokenSampleError, decode_image
from webssl_trainer.data.fetch import fetch
from webssl_trainer.data.index import DataIndex, SampleRef
from webssl_trainer.storage import ByteRange, Storage

Progress = Callable[[int, int], None]
_AT_ONCE = 32
_STREAM = 8 << 20
_STREAMS = 8
_SINGLE = 16
_QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)


@dataclass(frozen=True)
class Seen:
    """One drawn image.

    Attributes:
        ref: where it lies.
        size: width, height in pixels as it is decoded; (0, 0) when it is broken.
        form: file format and mode as the file says, such as "JPEG RGB"; "" when it is no image.
        reason: why it is broken; None when it is not.
        thumbnail: at most `side` pixels wide and high; None when it is broken.
    """

    ref: SampleRef
    size: tuple[int, int]
    form: str
    reason: str | None
    thumbnail: Image.Image | None


@dataclass
class Drawn:
    """What was seen of the drawn images: quantiles (0, 1, 50, 99, 100 %) of file bytes and of the shorter side."""

    images: list[Seen] = field(default_factory=list)

    @property
    def broken(self) -> list[Seen]:
        """Those that can not be used."""
        return [seen for seen in self.images if seen.reason is not None]

    @property
    def forms(self) -> list[tuple[str, int]]:
        """Formats and modes, the most frequent first."""
        return Counter(seen.form for seen in self.images if seen.form).most_common()

    @property
    def file_bytes(self) -> list[int]:
        """Quantiles of the bytes of the files."""
        return _quantiles([seen.ref.length for seen in self.images])

    @property
    def shorter_sides(self) -> list[int]:
        """Quantiles of the shorter side in pixels."""
        return _quantiles([min(seen.size) for seen in self.images if seen.reason is None])


@dataclass(frozen=True)
class Rates:
    """What the storage gave from here.

    Attributes:
        one_stream, all_streams: bytes a second of one sequential read of 8 MB, and of 8 at the same time.
        first_byte: seconds of the median read of one image by itself.
        images: images a second when 32 are read at the same time.
    """

    one_stream: float
    all_streams: float
    first_byte: float
    images: float


def drawn_numbers(size: int, count: int, seed: int) -> NDArray[np.int64]:
    """`count` sample numbers spread evenly over `[0, size)`, each drawn within its own stretch: rising, distinct."""
    count = min(count, size)
    edges = np.arange(count + 1, dtype=np.int64) * size // max(1, count)
    return edges[:-1] + np.random.default_rng(seed).integers(0, np.maximum(1, np.diff(edges)))


def draw(
    storage: Storage,
    index: DataIndex,
    numbers: Sequence[int],
    side: int = 128,
    progress: Progress | None = None,
) -> Drawn:
    """Read and decode samples."""
    found = Drawn()
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="look") as pool:
        for at in range(0, len(numbers), _AT_ONCE):
            refs = index.locate_all(numbers[at : at + _AT_ONCE])
            pieces = fetch(storage, [_range(ref) for ref in refs]).pieces
            found.images.extend(
                pool.map(lambda pair: _seen(pair[0], pair[1], side), zip(refs, pieces, strict=True))
            )
            if progress is not None:
                progress(len(found.images), len(numbers))
    return found


def _seen(ref: SampleRef, data: bytes | None, side: int) -> Seen:
    if data is None:
        return Seen(
            ref, (0, 0), "", "its bytes are gone: the shard was removed or cut after it was indexed", None
        )
    form = ""
    try:
        with Image.open(io.BytesIO(data)) as header:
            form = f"{header.format} {header.mode}"
        image = decode_image(data)
    except BrokenSampleError as error:
        return Seen(ref, (0, 0), form, error.reason, None)
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        return Seen(ref, (0, 0), form, f"{type(error).__name__}: {error}"[:300], None)
    size = image.size
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return Seen(ref, size, form, None, image)


def measure(
    storage: Storage, index: DataIndex, seed: int, clock: Callable[[], float] = time.perf_counter
) -> Rates:
    """Read a little of the data in the ways that a run reads it: at most 72 MB and 50 images."""
    refs = index.locate_all(drawn_numbers(len(index), 1 + _STREAMS + _SINGLE + _AT_ONCE, seed).tolist())
    streams = [ByteRange(ref.shard, ref.offset, ref.offset + _STREAM) for ref in refs[: 1 + _STREAMS]]
    rest = refs[1 + _STREAMS :]
    single = rest[:_SINGLE] or refs[:1]
    storage.cat_ranges([_range(single[0])])  # opens a connection

    def timed(ranges: list[ByteRange]) -> tuple[float, int]:
        began = clock()
        answers = storage.cat_ranges(ranges)
        return max(clock() - began, 1e-9), sum(len(answer) for answer in answers)

    alone = [timed([_range(ref)])[0] for ref in single]
    one_time, one_bytes = timed(streams[:1])
    all_time, all_bytes = timed(streams[1:] or streams[:1])
    many = rest[_SINGLE:] or refs
    many_time, _ = timed([_range(ref) for ref in many])
    return Rates(one_bytes / one_time, all_bytes / all_time, float(np.median(alone)), len(many) / many_time)


def contact_sheet(images: Sequence[Seen], columns: int = 10, side: int = 128) -> Image.Image:
    """Thumbnails in rows, the key below each; broken ones are grey with a cross."""
    gap, text = 6, 14
    rows = -(-len(images) // columns)
    sheet = Image.new(
        "RGB", (columns * (side + gap) + gap, rows * (side + text + gap) + gap), (255, 255, 255)
    )
    pen = ImageDraw.Draw(sheet)
    for number, seen in enumerate(images):
        left = gap + number % columns * (side + gap)
        top = gap + number // columns * (side + text + gap)
        box = (left, top, left + side, top + side)
        if seen.thumbnail is None:
            pen.rectangle(box, fill=(225, 225, 225))
            pen.line((left + 8, top + 8, left + side - 8, top + side - 8), fill=(190, 60, 60), width=3)
            pen.line((left + side - 8, top + 8, left + 8, top + side - 8), fill=(190, 60, 60), width=3)
        else:
            pen.rectangle(box, fill=(245, 245, 245))
            width, height = seen.thumbnail.size
            sheet.paste(seen.thumbnail, (left + (side - width) // 2, top + (side - height) // 2))
        name = seen.ref.key[-side // 7 :].encode("ascii", "replace").decode()
        pen.text((left, top + side + 1), name, fill=(70, 70, 70))
    return sheet


def _range(ref: SampleRef) -> ByteRange:
    return ByteRange(ref.shard, ref.offset, ref.offset + ref.length)


def _quantiles(values: Sequence[int]) -> list[int]:
    if not values:
        return []
    return [int(value) for value in np.quantile(np.array(values), _QUANTILES)]
