"""One folder with a tiny set of every benchmark in its published layout."""

from __future__ import annotations

import pytest

from tests.unit.eval.benchmarks.published import write_all

COUNT = 10
"""Questions of each set: one pair of each MME subtask."""


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its URL."""
    root = tmp_path_factory.mktemp("benchmarks")
    write_all(root, COUNT)
    return root.as_uri()
