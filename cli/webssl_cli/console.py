"""The two consoles: results on standard output, progress and errors on standard error."""

from __future__ import annotations

from rich.console import Console

out = Console(soft_wrap=False, highlight=False)
err = Console(stderr=True, highlight=False)
