"""This loader beside webdataset, litdata and mosaicml-streaming: the same images on the same S3 server, one epoch each.

Usage: python benchmarks/data/loaders.py [--python .bench/bin/python] [--samples 960] [--rounds 2] [--out benchmarks/results]

Every arm runs in a process of its own (arms.py), all in one environment (--python, made by `make bench-data`), in turn, round
after round; figures are medians over rounds, and ratios are taken within a round. Rates count processor time, so that
other work on the machine changes them little; the server's own time is not counted. Two recipes for the others:
"plain" is Pillow and torchvision as anyone would write it, "same" is this project's decoding and crops in their workers.

This loader is also run over four epochs, of which it keeps nothing: what the last three cost is the cost without the start, and is
set beside decoding and crops of as many images in memory. The cache of blocks has all of them after the first, so to its share
what it costs to bring the blocks (`bringing`, per image) is added.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from webssl_trainer.data import BatchPlan, CropSpec, Filter, Loader, Source, load_data, prepare_data
from webssl_trainer.data.store_find import default_folder
from webssl_trainer.data.store_make import make_store
from webssl_trainer.storage import Storage, StorageOptions, open_storage

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.train.commit import commit_of  # noqa: E402
from tests.contract.trainer.s3_server import s3_server  # noqa: E402

BUCKET = "bench"
OWN = tuple(os.environ.get("OWN", "ours,apart,here,scattered,cached,kept").split(","))
OTHERS = ("webdataset", "litdata", "mosaicml")
PACKAGES = (
    "webdataset", "litdata", "mosaicml-streaming", "torch", "torchvision", "pillow", "simplejpeg", "numpy", "s3fs", "pycurl", "boto3",
)  # fmt: skip
Figures = dict[str, float]
_TRIES = 4
_EPOCHS = 4
"""So many tell what an image costs without the start: the first one is taken off."""


def main() -> int:
    """Serve, prepare, measure, print, store."""
    given = parsed()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch, s3_server(Path(scratch), BUCKET) as access:
        os.environ.update(access.environment, AWS_REGION="us-east-1", S3_ENDPOINT_URL=access.endpoint)
        os.environ.update(OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore", TMPDIR=scratch, AWS_ALLOW_HTTP="true")
        storage = open_storage(StorageOptions.from_env())
        files = Path(scratch) / "files"
        subprocess.run([given.python, str(ROOT / "benchmarks/data/prepare.py"), str(files), str(given.samples)],
                       check=True, capture_output=True)  # fmt: skip
        upload(storage, files)
        make_store(storage, f"s3://{BUCKET}/tar/*.tar", default_folder(f"s3://{BUCKET}/tar/*.tar"))
        others = () if given.own else OTHERS
        with Arms(given.python, ("memory", *OWN, "bringing", "fsspec", *others)) as arms:
            rounds = [one_round(arms, given.samples, others) for _ in range(given.rounds)]
            resumed = [arm for arm in ("ours", "litdata", "mosaicml") if arm in arms.running]
            half = given.samples // 2 // 64 * 64
            starts = {
                arm: middle(
                    [
                        arms.run(arm, "mae", "same", given.samples, first=half)["seconds_to_first_batch"]
                        for _ in range(given.rounds)
                    ]
                )
                for arm in resumed
            }
        filtered = read_over_used(storage, given.samples)
    summary = summarised(rounds)
    summary["resume in the middle of an epoch, seconds to first batch"] = starts
    summary["bytes read / used at a filter of 1.3 %"] = filtered
    sys.stdout.write(f"{json.dumps(summary, indent=2)}\n")
    store(given, summary, rounds)
    return 0


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=str(ROOT / ".bench/bin/python"))
    parser.add_argument("--samples", type=int, default=960)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--own", action="store_true", help="this loader only, beside decoding and crops in memory"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where the server keeps its data")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    return parser.parse_args()


def upload(storage: Storage, folder: Path) -> None:
    """All files to the bucket, under their path in the folder."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        storage.put(f"s3://{BUCKET}/{file.relative_to(folder)}", file.read_bytes())


class Arms(AbstractContextManager["Arms"]):
    """The arms' processes, which wait for what to measure next; see arms.py."""

    def __init__(self, python: str, names: Sequence[str]) -> None:
        command = [python, str(ROOT / "benchmarks/data/arms.py")]
        self.running = {
            name: subprocess.Popen(
                [*command, name, BUCKET], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            for name in names
        }

    def run(
        self, arm: str, crops: str, recipe: str, samples: int, first: int = 0, images: int = 0
    ) -> Figures:
        """Figures of one epoch, or of the first `images` of it, or of its resumption at `first`."""
        process = self.running[arm]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{crops} {recipe} {samples} {first} {images or samples}\n")
        line = process.stdout.readline()
        # Some loaders print to the same place.
        while line and not line.startswith("{"):
            line = process.stdout.readline()
        figures: Figures = json.loads(line or '{"error": "it ended"}')
        if "error" in figures:
            raise RuntimeError(f"{arm} {crops} {recipe}: {figures['error']}")
        return figures

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            if process.stdin is not None:
                process.stdin.close()
            process.wait(60)


def one_round(arms: Arms, samples: int, others: tuple[str, ...]) -> dict[str, Figures]:
    """Every arm once, with the crops of DINO and of MAE."""
    found: dict[str, Figures] = {}
    for crops in ("dino", "mae"):
        todo = [(arm, "same") for arm in ("memory", *OWN, "fsspec")]
        for arm, recipe in todo + [(arm, recipe) for recipe in ("plain", "same") for arm in others]:
            name = f"{crops} {arm} {recipe}"
            found[name] = (
                arms.run(arm, crops, recipe, samples)
                if arm not in others
                else tried(arms, arm, crops, recipe, samples)
            )
            if arm in ("memory", *OWN):
                more = arms.run(arm, crops, recipe, samples, images=_EPOCHS * samples)
                found[name]["further_ms"] = further(more, found[name])
            if arm == "cached":
                everything = arms.run("bringing", crops, recipe, samples)["processor_seconds"]
                start = arms.run("bringing", crops, recipe, samples, images=1)["processor_seconds"]
                brought = (everything - start) / samples * 1e3
                found[name] |= {"brought_ms": brought, "further_ms": found[name]["further_ms"] + brought}
            sys.stderr.write(f"{name}: {found[name]}\n")
    return found


def tried(arms: Arms, arm: str, crops: str, recipe: str, samples: int) -> Figures:
    """An epoch of another loader, again if it fails: some versions read a shard while another worker still writes it."""
    for failed in range(_TRIES):
        try:
            return arms.run(arm, crops, recipe, samples) | {"failed_before": failed}
        except RuntimeError as error:
            sys.stderr.write(f"{arm} failed: {str(error).strip().splitlines()[-1]}\n")
    raise RuntimeError(f"{arm} failed {_TRIES} times")


def further(more: Figures, one: Figures) -> float:
    """Processor time of an image that does not pay for the start, in ms."""
    spent = more["processor_seconds"] - one["processor_seconds"]
    return spent / (more["images"] - one["images"]) * 1e3


def summarised(rounds: list[dict[str, Figures]]) -> dict[str, Any]:
    """Medians over rounds; ratios within a round."""
    summary: dict[str, Any] = {}
    for crops in ("dino", "mae"):
        rates = [
            {name: item["images_per_core_second"] for name, item in one.items() if name.startswith(crops)}
            for one in rounds
        ]
        told: dict[str, Any] = {
            "images/s per core": {name: middle([one[name] for one in rates]) for name in rates[0]},
            "processor ms per image": {
                name: middle([one[name]["processor_ms_per_image"] for one in rounds]) for name in rates[0]
            },
            "processor ms per further image": {
                arm: middle([one[f"{crops} {arm} same"]["further_ms"] for one in rounds])
                for arm in ("memory", *OWN)
            },
        }
        for own in OWN:
            pairs = [
                (one[f"{crops} memory same"]["further_ms"], one[f"{crops} {own} same"]["further_ms"])
                for one in rounds
            ]
            beyond = [1 - in_memory / spent for in_memory, spent in pairs]
            told[f"share of processor time beyond decode and crops, {own}"] = middle(beyond)
            for recipe in ("plain", "same"):
                best = [max(one.get(f"{crops} {arm} {recipe}", 0.0) for arm in OTHERS) for one in rates]
                ratios = [
                    one[f"{crops} {own} same"] / other
                    for one, other in zip(rates, best, strict=True)
                    if other
                ]
                if ratios:
                    told[f"{own} / best of the others, {recipe} recipe"] = middle(ratios)
        for figure in ("seconds_to_first_batch", "memory_mib", "largest_process_mib"):
            told[figure] = {name: middle([one[name][figure] for one in rounds]) for name in rates[0]}
        summary[crops] = told
    return summary


def middle(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def read_over_used(storage: Storage, samples: int) -> Figures:
    """One epoch of a table that chooses 1.3 % of the samples; loaders without filters read all: 1 / share."""
    chosen = [number for number in range(samples) if number * 7919 % samples < round(0.013 * samples)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"key": [f"{number:07d}" for number in chosen]}), sink)
    storage.put(f"s3://{BUCKET}/scores.parquet", sink.getvalue().to_pybytes())
    source = Source(f"s3://{BUCKET}/tar/*.tar", filter=Filter(f"s3://{BUCKET}/scores.parquet"))
    folder = f"s3://{BUCKET}/filtered"
    data = load_data(storage, folder, prepare_data(storage, [source], folder), seed=0)
    plan = BatchPlan(global_batch=len(chosen), group_size=1, micro_batch=len(chosen))
    with Loader(
        storage=storage, index=data.index, order=data.order, plan=plan, crops=CropSpec(), rank=0, world=1, seed=0, steps=1,
    ) as loader:  # fmt: skip
        next(loader)
        counters = loader.counters
    return {"ours": counters.bytes_read / counters.bytes_used, "all bytes / chosen": samples / len(chosen)}


def store(given: argparse.Namespace, summary: dict[str, Any], rounds: list[dict[str, Figures]]) -> None:
    """The results with hardware and versions."""
    script = (
        f"import json, importlib.metadata as m; print(json.dumps({{p: m.version(p) for p in {PACKAGES!r}}}))"
    )
    versions = json.loads(
        subprocess.run([given.python, "-c", script], check=True, capture_output=True).stdout
    )
    facts = {
        "samples": given.samples, "rounds": given.rounds, "cpu": cpu_name(), "cores": os.cpu_count(),
        "load_average": os.getloadavg(), "python": platform.python_version(), "versions": versions, "commit": commit_of(ROOT),
    }  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / f"data-loaders-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    file.write_text(json.dumps({"facts": facts, "summary": summary, "rounds": rounds}, indent=2) + "\n")
    sys.stdout.write(f"stored in {file}\n")


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


if __name__ == "__main__":
    raise SystemExit(main())
