"""Made-up packages in a cache, once for all tests: they are only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.examples.packages import write_packages


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    write_packages(folder)
    return folder
