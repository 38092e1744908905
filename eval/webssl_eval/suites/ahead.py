"""The next item while the last one is used: reading and decoding beside the accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items in the same order, each computed in a thread while the one before is used; errors come where they belong."""
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(_next, items)
        while (found := upcoming.result()) is not None:
            upcoming = thread.submit(_next, items)
            yield found[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
