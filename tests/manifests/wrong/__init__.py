"""Wrong manifests, what is wrong with each, and what the user must read.

`CREATE` is refused when it is created; `CHANGE` is refused as a change of the valid run.
"""

from __future__ import annotations

from tests.manifests.wrong import changes, data, evaluation, training
from tests.manifests.wrong.row import DELETE, Wrong

CREATE = [*training.ROWS, *data.ROWS, *evaluation.ROWS]
CHANGE = changes.ROWS

__all__ = ["CHANGE", "CREATE", "DELETE", "Wrong"]
