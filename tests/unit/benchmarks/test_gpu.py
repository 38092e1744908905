"""benchmarks/gpu: what is packed runs with Python, torch and numpy alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu.check import difference
from benchmarks.gpu.pack import MOST_BYTES, ROOT, TOP, archive, members

OTHERS = (
    "pyarrow PIL s3fs fsspec httpx pydantic structlog tokenizers yaml prometheus_client webssl_api webssl_cli"
)
REFUSE = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OTHERS.split()!r}:
            raise ModuleNotFoundError(name + " is not on that machine")
sys.meta_path.insert(0, Refuse())
import webssl_trainer, benchmarks.train.run, benchmarks.gpu.check
print(webssl_trainer.__file__, benchmarks.train.commit.commit_of(benchmarks.train.run.ROOT))
"""


def test_the_archive_is_small_and_imports_nothing_beyond_torch_and_numpy(tmp_path: Path) -> None:
    content = archive(ROOT, "abc123")
    assert len(content) < MOST_BYTES
    subprocess.run(["tar", "-xzf", "-", "-C", tmp_path], input=content, check=True)
    place = tmp_path / TOP
    done = subprocess.run(
        [sys.executable, "-c", REFUSE],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(place / "webssl_trainer" / "__init__.py"), "abc123"]


def test_the_archive_holds_the_source_as_it_is_but_for_the_front_of_the_data_package() -> None:
    carried = dict(members(ROOT, "abc123"))
    assert carried["webssl_trainer/data/__init__.py"] == b""
    objective = "webssl_trainer/objectives/dino/objective.py"
    assert carried[objective] == (ROOT / "trainer_image" / objective).read_bytes()
    assert "benchmarks/gpu/run.sh" in carried
    assert not any(name.startswith("benchmarks/results") for name in carried)


def test_losses_are_compared_by_their_largest_relative_difference() -> None:
    assert difference([10.0, 2.0], [10.1, 1.9]) == (2.0 - 1.9) / 2.0


def test_the_script_for_the_gpu_is_valid_shell() -> None:
    subprocess.run(["bash", "-n", str(ROOT / "benchmarks" / "gpu" / "run.sh")], check=True)
