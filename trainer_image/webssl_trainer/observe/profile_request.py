"""The request to trace some training steps: `STEPS`, or `STEPS@ANYTHING`, so that a repeated request is another one."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

MOST_STEPS = 20
"""A trace grows by megabytes with each step."""
SIGNALLED_STEPS = 5
"""Steps of a request that is a mere signal."""

_FORM = re.compile(r"^(\d{1,6})(?:@\S{1,100})?$")


@dataclass(frozen=True)
class ProfileRequest:
    """text: as it was written. steps: in [1, MOST_STEPS]."""

    text: str
    steps: int

    @property
    def key(self) -> str:
        """16 hex digits that tell requests apart, for names of objects."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def parse_request(text: str) -> ProfileRequest:
    """The request that a file or an annotation holds. More than MOST_STEPS steps become MOST_STEPS.

    Raises:
        ValueError: it is none; the message says what is wrong.
    """
    found = _FORM.match(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(
            f"profile request {text.strip()[:100]!r} is not a number of steps, or STEPS@ANYTHING; write 5, for example"
        )
    return ProfileRequest(text.strip(), min(int(found[1]), MOST_STEPS))
