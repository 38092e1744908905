"""No test leaves what it did to the whole process to the next one, and no test is decided by its time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# Timings never decide a test: a busy machine may stop any example for longer than hypothesis' 200 ms. And a commit is right or wrong
# whenever it is tested: its examples are drawn from the test itself. `make search` looks for others.
settings.register_profile("webssl", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("WEBSSL_EXAMPLES", "webssl"))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Commands configure structlog for their process; a later test that looks at lines would see none of a lower level."""
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
