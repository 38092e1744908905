"""The bytes of the pictures that questions name, each distinct picture once."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa  # type: ignore[import-untyped]
from PIL import Image, UnidentifiedImageError
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from webssl_eval.benchmarks.question import Cell, Picture, Problem, Question
from webssl_eval.benchmarks.reading.delimited import delimited_pictures
from webssl_eval.benchmarks.reading.parquet import parquet_pictures
from webssl_eval.images import ImageRef, locate, read_images


def picture_places(questions: Iterable[Question]) -> dict[Picture, str]:
    """The distinct pictures in the order of their first mention, each with the place of it."""
    places: dict[Picture, str] = {}
    for question in questions:
        for picture in question.pictures:
            places.setdefault(picture, question.place)
    return places


def read_pictures(storage: Storage, places: Mapping[Picture, str]) -> Iterator[tuple[Picture, bytes]]:
    """The bytes of pictures, file by file, so that each file is read once; a few hundred pictures in memory at a time.

    Args:
        storage: where they are.
        places: pictures, each with the place that names it, as `picture_places` gives them.

    Raises:
        UserError: a picture does not exist, or its file is no table any more.
    """
    files = {picture: place for picture, place in places.items() if isinstance(picture, ImageRef)}
    located = locate(storage, files) if files else {}
    yield from zip(files, read_images(storage, located, files), strict=True)
    tables: dict[str, list[Cell]] = {}
    for picture in places:
        if isinstance(picture, Cell):
            tables.setdefault(picture.url, []).append(picture)
    for url, cells in sorted(tables.items()):
        read = parquet_pictures if url.endswith(".parquet") else delimited_pictures
        try:
            yield from read(storage, url, cells)
        except pa.ArrowException as error:
            raise UserError(f"{url}: no readable Parquet file ({error}); copy it again") from error


def picture_problems(storage: Storage, places: Mapping[Picture, str]) -> Iterator[Problem]:
    """A problem for every picture that is missing or can not be decoded; reads all of them."""
    absent = absent_files(storage, places)
    yield from absent.values()
    present = {picture: place for picture, place in places.items() if picture not in absent}
    for picture, data in read_pictures(storage, present):
        why = unreadable(data)
        if why:
            yield Problem(present[picture], f"image {picture} is unreadable ({why}); copy it again")


def absent_files(storage: Storage, places: Mapping[Picture, str]) -> dict[Picture, Problem]:
    """The image files that do not exist, by listing their folders; pictures inside tables are not looked at."""
    absent: dict[Picture, Problem] = {}
    there: dict[str, set[str]] = {}
    for picture, place in places.items():
        if not isinstance(picture, ImageRef):
            continue
        folder = picture.url.rpartition("/")[0]
        if folder not in there:
            there[folder] = {info.url for info in storage.list_objects(folder)}
        if picture.url not in there[folder]:
            absent[picture] = Problem(place, f"image {picture} does not exist; copy it there")
    return absent


def unreadable(data: bytes) -> str:
    """Why bytes are no picture; "" when they decode whole."""
    if not data:
        return "empty"
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except UnidentifiedImageError:
        return "no known image format"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__
    return ""
