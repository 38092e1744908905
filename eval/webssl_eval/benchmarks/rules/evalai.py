"""The answer normaliser of the VQA challenge on EvalAI, which TextVQA is scored with.

Its rule, odd corners included, since scores compare only where they are the same:

1. Lower case; commas and question marks go; `'s` is parted from its word; line ends and tabs become spaces.
2. Each punctuation mark that stands beside a space somewhere in the text goes; any other becomes a space.
3. A full stop that no digit follows goes.
4. The words none, zero to ten become digits; a, an, the go; a contraction that lacks one apostrophe gets it back.
"""

from __future__ import annotations

import re

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_STOP = re.compile(r"\.(?!\d)")
_GROUPED = re.compile(r"(?<=\d),+(?=\d)")
_ARTICLES = frozenset({"a", "an", "the"})
_DIGITS = {"none": "0"} | {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}
# The normaliser's contractions in their right spelling. Those that it spells with a capital never meet lower case.
_CONTRACTIONS = re.findall(
    r"\S+",
    """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's
    how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock
    oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd
    someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's
    they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
    where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've
    y'all y'all'll y'all'd've you'd you'd've you'll you're you've
    """,
)


def _lacking_one(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place, character in enumerate(word) if character == "'"]


# One entry goes the other way: somebody'd loses its apostrophe.
_WHOLE = {wrong: right for right in _CONTRACTIONS for wrong in _lacking_one(right)} | {
    "somebody'd": "somebodyd"
}


def normalised(text: str) -> str:
    """The form in which answers are compared."""
    plain = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    plain = plain.replace("\n", " ").replace("\t", " ").strip()
    return _words(_without_marks(plain))


def _without_marks(text: str) -> str:
    found = text
    grouped = bool(_GROUPED.search(text))
    for mark in _MARKS:
        beside_space = f"{mark} " in text or f" {mark}" in text
        found = found.replace(mark, "" if beside_space or grouped else " ")
    return _STOP.sub("", found)


def _words(text: str) -> str:
    digits = (_DIGITS.get(word, word) for word in text.lower().split())
    return " ".join(_WHOLE.get(word, word) for word in digits if word not in _ARTICLES)
