"""What tests look at of a pass over a data set: its status, and the rows of its table."""

from __future__ import annotations

from typing import Any

from webssl_api.curation import GROUP, PLURAL, VERSION, WebSSLCuration
from webssl_api.curation_status import CurationPhase, CurationStatus
from webssl_trainer.curation.table import open_manifest, read_rows

from tests.e2e.lab.lab import Lab, LabTimeoutError


def status_of(lab: Lab, name: str) -> CurationStatus:
    """The status. Raises LabTimeoutError when the pass has failed: nothing is left to wait for."""
    raw = lab.custom.get_namespaced_custom_object(GROUP, VERSION, lab.namespace, PLURAL, name)
    found = WebSSLCuration.parse(raw).status
    if found.phase is CurationPhase.FAILED:
        raise LabTimeoutError(f"the pass failed: {found.message}")
    return found


def rows_of(lab: Lab, table: str) -> list[dict[str, Any]]:
    """All rows of a table."""
    folder, manifest = open_manifest(lab.storage, table)
    return [row for part in read_rows(lab.storage, folder, manifest) for row in part.to_pylist()]
