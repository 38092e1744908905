"""Exit codes of trainer and evaluation pods; the Job's podFailurePolicy acts on them."""

COMPLETE = 0
"""The run (or suite) is complete and committed."""

RETRY = 75
"""Stopped before the end in good order, or after a fault that a retry may mend (EX_TEMPFAIL)."""

USER_ERROR = 78
"""The manifest or the data is wrong; a retry cannot mend it (EX_CONFIG)."""
