"""Which option a text chooses: the one rule of all multiple choice benchmarks.

The rule of Cambrian-1's evaluation, which the paper uses:

1. Surrounding space goes, and case.
2. If a cue stands in the text ("answer is", "answer is:", "answer:"), only what follows its last appearance counts.
3. Space goes again, then any of `.:,` at the end, `(` at the start, `)` at the end.
4. The first character is the letter.

It is strict in what it does not know (`**B**`, `Option B` choose nothing useful) and lenient in what follows the letter
(`B. because`, but also `Bananas`, choose b). A model that was tuned on the instruction answers with the letter alone.
Cambrian-1 looks for "answer is" before "answer is:" and is left with a colon; here the longer cue is taken where it stands.
"""

from __future__ import annotations

from string import ascii_uppercase

_CUES = ("answer is:", "answer is", "answer:")


def after_cue(text: str) -> str:
    """Steps 1 and 2: lower case, without surrounding space, and only what follows the last cue."""
    found = text.lower().strip()
    for cue in _CUES:
        found = found.rpartition(cue)[2]
    return found.strip()


def bare(text: str) -> str:
    """Steps 1 to 3: what remains of an answer that is a letter or an option's text."""
    return after_cue(text).rstrip(".:,").lstrip("(").rstrip(")")


def chosen(text: str) -> str:
    """The letter that a text chooses, in lower case; "" for an empty text."""
    return bare(text)[:1]


def letter_of(index: int) -> str:
    """The letter of the 0-based option.

    Raises:
        ValueError: there are no more than 26.
    """
    if not 0 <= index < len(ascii_uppercase):
        raise ValueError(f"answer: option number {index} has no letter; copy the published file again")
    return ascii_uppercase[index]


def checked_letter(text: str, choices: int) -> str:
    """The reference's letter, one of the options'.

    Raises:
        ValueError: it is none.
    """
    letter = text.strip().strip("()").upper()
    if len(letter) != 1 or letter not in ascii_uppercase[:choices]:
        raise ValueError(f"answer: {text!r} is no letter of {choices} options; copy the published file again")
    return letter
