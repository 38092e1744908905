"""ANLS: how alike two strings are by their edit distance (Biten et al. 2019, Scene Text Visual Question Answering)."""

from __future__ import annotations

THRESHOLD = 0.5


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance: the least number of inserted, removed or replaced characters.

    Common ends are cut first; the rest takes time in the product of the lengths.
    """
    first, second = _without_common_ends(first, second)
    if len(first) < len(second):
        first, second = second, first
    row = list(range(len(second) + 1))
    for number, character in enumerate(first, start=1):
        corner, row[0] = row[0], number
        for column, other in enumerate(second, start=1):
            cheapest = corner if character == other else 1 + min(corner, row[column], row[column - 1])
            corner, row[column] = row[column], cheapest
    return row[-1]


def _without_common_ends(first: str, second: str) -> tuple[str, str]:
    start, shorter = 0, min(len(first), len(second))
    while start < shorter and first[start] == second[start]:
        start += 1
    end = 0
    while end < shorter - start and first[-1 - end] == second[-1 - end]:
        end += 1
    return first[start : len(first) - end], second[start : len(second) - end]


def likeness(answer: str, reference: str) -> float:
    """1 - distance / length of the longer, after lower case and single spaces; 0 where that is below 0.5.

    Exactly 0.5 counts. Lengths alone may tell that it is below, so that a very long answer costs nothing.
    """
    ours, theirs = _plain(answer), _plain(reference)
    longest = max(len(ours), len(theirs))
    if longest == 0:
        return 1.0
    if min(len(ours), len(theirs)) < longest * THRESHOLD:
        return 0.0
    value = 1 - edit_distance(ours, theirs) / longest
    return value if value >= THRESHOLD else 0.0


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
