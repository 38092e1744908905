"""The one error that people see: what is wrong, and the mend."""

from __future__ import annotations

EXIT_USER = 2
"""Exit code of every error that the user can mend."""

EXIT_FAILED = 1
"""Exit code when a run or a suite failed."""


class CliError(Exception):
    """Something the user can mend.

    Args:
        what: names the field or option, and the value.
        mend: what to do about it, as an instruction.
    """

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(f"{what}: {mend}" if mend else what)
        self.what = what
        self.mend = mend
