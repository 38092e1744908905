"""docs/data.md, "Without the operator", done as it says: ten lines and a training loop of PyTorch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import Storage, open_storage

from tests.unit.trainer.data.conftest import picture

PAGE = Path(__file__).parents[4] / "docs" / "data.md"
SMALLER = {
    "s3://": "memory://docs-loop/", "global_batch=256": "global_batch=8", "micro_batch=64": "micro_batch=4",
    "steps=1000": "steps=2", "500 * plan": "2 * plan", "steps=500": "steps=1", "global_size=224": "global_size=32",
}  # fmt: skip
"""The page's addresses and sizes, and those that a test has the time for."""


def blocks() -> list[str]:
    """The two blocks of the section, on a storage in memory."""
    section = PAGE.read_text().partition("## Without the operator")[2]
    found = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert all(name in "".join(found) for name in SMALLER)
    for name, smaller in SMALLER.items():
        found = [block.replace(name, smaller) for block in found]
    return found


@pytest.fixture
def filled() -> Storage:
    """The shards and the table of the page."""
    storage = open_storage()
    for folder in ("shards", "photos", "charts"):
        items = [PackItem(f"{folder}-{number:03d}", picture(number), "png") for number in range(24)]
        pack(items, storage, f"memory://docs-loop/bucket/{folder}", 8)
    sink = pa.BufferOutputStream()
    keys = [f"photos-{number:03d}" for number in range(24)]
    pq.write_table(pa.table({"key": keys, "area": np.linspace(0, 1, 24)}), sink)
    storage.put("memory://docs-loop/bucket/scores/all.parquet", sink.getvalue().to_pybytes())
    return storage


def test_the_blocks_of_the_page_train(filled: Storage) -> None:
    names: dict[str, Any] = {}
    first, second = blocks()
    exec(compile(first, "first", "exec"), names)
    assert names["step"].step == 1
    assert names["loss"].item() > 0
    assert len(first.partition("device =")[0].strip().splitlines()) <= 12
    exec(compile(second, "second", "exec"), names)
    with names["resumed"] as resumed:
        (step,) = list(resumed)
    assert step.first == 2 * 8
    seen = {name.rpartition("/")[2].partition("-")[0] for batch in step.batches for name in batch.sample_ids}
    assert seen <= {"photos", "charts"}
