"""Wrong manifests, what is wrong with each, and what the user must read.

`CREATE` is refused when it is created; `CHANGE` is refused as a change of the valid run. `OTHER_KINDS` and `OTHER_CHANGES` are the
same for objects of the other kinds.
"""

from __future__ import annotations

from tests.manifests.wrong import changes, curation, data, evaluation, evaluation_object, training
from tests.manifests.wrong.row import DELETE, Wrong

CREATE = [*training.ROWS, *data.ROWS, *evaluation.ROWS]
CHANGE = changes.ROWS
OTHER_KINDS = [*curation.ROWS, *evaluation_object.ROWS]
OTHER_CHANGES = [*curation.CHANGES, *evaluation_object.CHANGES]

__all__ = ["CHANGE", "CREATE", "DELETE", "OTHER_CHANGES", "OTHER_KINDS", "Wrong"]
