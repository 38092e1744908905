"""The one error type that people see; it always carries the mend."""

from __future__ import annotations


class ClusterError(RuntimeError):
    """A local-cluster step failed.

    Args:
        what: what went wrong, naming the part and the value.
        mend: what the reader can do about it.
    """

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}\n  mend: {mend}")
        self.what = what
        self.mend = mend
