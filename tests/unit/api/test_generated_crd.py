"""The CRD in the repository is the one that the types say, and it explains every field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from webssl_api.crd import crd_of, run_crd
from webssl_api.generate import generated
from webssl_api.kind import Kind
from webssl_api.kinds import KINDS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", list(generated()))
def test_the_generated_file_is_fresh(path: str) -> None:
    assert (ROOT / path).read_text() == generated()[path], "run `make generate`"


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _fields(child, f"{path}.{name}")
        yield from _fields(child.get("items", {}), f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kubectl_explain_has_a_sentence_for_every_field(kind: Kind) -> None:
    root = crd_of(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    bare = [
        path
        for part in ("spec", "status")
        for path, field in _fields(root["properties"][part], part)
        if not str(field.get("description", "")).strip().endswith((".", "…"))
    ]
    assert bare == []


def test_every_default_of_the_types_is_a_default_of_the_schema() -> None:
    root = run_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    dino = root["properties"]["spec"]["properties"]["objective"]["properties"]["dino"]["properties"]
    assert dino["ibotHead"]["default"] == {"hiddenDim": 2048, "bottleneckDim": 256, "prototypes": 131072}
    assert dino["ibotHead"]["properties"]["bottleneckDim"]["default"] == 256
    assert dino["dinoHead"]["properties"]["bottleneckDim"]["default"] == 384
