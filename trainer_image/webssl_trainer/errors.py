"""Errors that are the user's to mend: a wrong path, a wrong field, unreadable data."""

from __future__ import annotations


class UserError(Exception):
    """The run can not go on until somebody changes the manifest, the data or the permissions.

    The text names the field or URL, its value, and the mend. Restarting a pod does not help, so the process
    that meets one ends with the user-error exit code.
    """
