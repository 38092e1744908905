"""The rows of a JSON file, one at a time: an array of objects, or one object a line. Memory holds a chunk and a row."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO

from webssl_trainer.errors import UserError

_CHUNK = 1 << 20
_MOST_CHARACTERS = 1 << 26
_BETWEEN = " \t\r\n"


def json_rows(file: BinaryIO, name: str) -> Iterator[object]:
    """The elements of the array, or the values one after the other when the file is no array.

    Args:
        file: UTF-8, read once from its present place.
        name: for errors.

    Raises:
        UserError: not JSON, or a row of more than 64 MiB; names the row and the mend.
    """
    return _Rows(file, name).rows()


class _Rows:
    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self._text, self._at, self._ended = "", 0, False
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._number = 0

    def rows(self) -> Iterator[object]:
        self._skip("\ufeff" + _BETWEEN)
        array = self._text[self._at : self._at + 1] == "["
        if array:
            self._at += 1
        while True:
            self._skip(_BETWEEN + ("," if array else ""))
            if self._at >= len(self._text):
                if array:
                    raise self._wrong("the array does not end: the file is cut off")
                return
            if array and self._text[self._at] == "]":
                return
            self._number += 1
            yield self._row()

    def _row(self) -> object:
        decoder = json.JSONDecoder()
        while True:
            try:
                value: object
                value, end = decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                value, end = error, len(self._text)
            # A number that ends with the chunk may go on; objects and strings end where they end.
            whole = not isinstance(value, json.JSONDecodeError) and (end < len(self._text) or self._ended)
            if whole:
                self._at = end
                return value
            if self._ended:
                raise self._wrong(f"no JSON ({value})")
            if len(self._text) - self._at > _MOST_CHARACTERS:
                raise self._wrong(f"more than {_MOST_CHARACTERS} characters, or no JSON")
            self._more()

    def _skip(self, characters: str) -> None:
        while True:
            while self._at < len(self._text) and self._text[self._at] in characters:
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return
            self._more()

    def _more(self) -> None:
        # A long row is asked for in ever larger pieces: it is decoded anew from its start each time.
        data = self._file.read(max(_CHUNK, len(self._text) - self._at))
        self._ended = not data
        try:
            text = self._decode.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise self._wrong(f"no UTF-8 ({error.reason})") from error
        self._text, self._at = self._text[self._at :] + text, 0

    def _wrong(self, what: str) -> UserError:
        return UserError(
            f"{self._name}, row {max(1, self._number)}: {what}; write a JSON array of rows, or one JSON object a line"
        )
