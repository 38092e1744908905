"""What a wrong manifest is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.manifests.valid import valid_run


@dataclass(frozen=True)
class Wrong:
    """One wrong manifest: a dotted path below the object, the value put there (`DELETE` removes it), the message.

    `says` is part of the API server's message. `python_says` is part of our own parser's message where the two word it
    differently (both name the field); None where only the API server can know. valid: what is changed.
    """

    name: str
    path: str
    value: Any
    says: str
    python_says: str | None = None
    valid: Callable[[], dict[str, Any]] = valid_run

    def manifest(self) -> dict[str, Any]:
        run = self.valid()
        *parents, last = self.path.split(".")
        node: Any = run
        for key in parents:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        if self.value is DELETE:
            del node[last]
        elif isinstance(node, list):
            node[int(last)] = self.value
        else:
            node[last] = self.value
        return run


DELETE = object()
SPEC = "spec."
