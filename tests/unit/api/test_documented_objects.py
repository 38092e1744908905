"""Whole manifests in the manual are ones that the API takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from webssl_api.kinds import KINDS

ROOT = Path(__file__).parents[3]
MODELS = {kind.name: kind.model for kind in KINDS}


def _manifests() -> list[Any]:
    found = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
            if re.search(r"^kind: WebSSL", block, flags=re.MULTILINE):
                found += [
                    pytest.param(entry, id=f"{page.name}: {entry['metadata']['name']}")
                    for entry in yaml.safe_load_all(block)
                ]
    return found


@pytest.mark.parametrize("manifest", _manifests())
def test_a_manifest_in_the_manual_is_valid(manifest: dict[str, Any]) -> None:
    assert MODELS[manifest["kind"]].model_validate(manifest)


def test_the_manual_shows_an_evaluation_of_any_checkpoint() -> None:
    assert "WebSSLEvaluation" in {row.values[0]["kind"] for row in _manifests()}
