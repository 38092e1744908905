"""Make the archive that measures the trainer on a machine with a GPU and without a network.

Usage: python benchmarks/gpu/pack.py [--out webssl-gpu.tar.gz]

There, with Python 3.11 or newer, torch and numpy (nothing else is needed, nothing is installed):

    tar xzf webssl-gpu.tar.gz && OUT=results bash webssl-gpu/benchmarks/gpu/run.sh

The archive holds the trainer's package and the benchmarks, and the commit they are of. The package `webssl_trainer.data`
travels without its `__init__`, which would ask for pyarrow, Pillow and an S3 client: a benchmark makes its own batches.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.train.commit import commit_of  # noqa: E402

TOP = "webssl-gpu"
MOST_BYTES = 64 * 2**20
_EMPTIED = "webssl_trainer/data/__init__.py"


def main() -> int:
    """Write the archive."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("webssl-gpu.tar.gz"))
    given = parser.parse_args()
    content = archive(ROOT, commit_of(ROOT) or "unknown")
    if len(content) > MOST_BYTES:
        sys.stderr.write(f"the archive has {len(content)} bytes, more than {MOST_BYTES}; leave folders out\n")
        return 1
    given.out.write_bytes(content)
    sys.stdout.write(f"{given.out}: {len(content) / 2**20:.1f} MiB\n")
    return 0


def archive(root: Path, commit: str) -> bytes:
    """A gzipped tar of everything that runs there, below one folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in sorted(members(root, commit)):
            info = tarfile.TarInfo(f"{TOP}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def members(root: Path, commit: str) -> Iterator[tuple[str, bytes]]:
    """Names below the archive's folder, with contents."""
    yield "COMMIT", commit.encode()
    for folder in (root / "trainer_image", root / "benchmarks"):
        for file in folder.rglob("*"):
            if file.suffix not in (".py", ".sh") or "__pycache__" in file.parts:
                continue
            within = folder if folder.name == "trainer_image" else root
            name = file.relative_to(within).as_posix()
            if name.startswith(
                ("webssl_trainer/", "benchmarks/train/", "benchmarks/gpu/", "benchmarks/__init__")
            ):
                yield name, b"" if name == _EMPTIED else file.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
