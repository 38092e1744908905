"""This loader beside webdataset, litdata and mosaicml-streaming: the same images on the same S3 server, one epoch each.

Usage: python benchmarks/data/loaders.py [--python .bench/bin/python] [--samples 960] [--rounds 2] [--own | --alone] [--out FOLDER]

Every arm runs in a process of its own (arms.py), all in one environment (--python, made by `make bench-data`), in turn, round
after round; figures are medians over rounds, and ratios are taken within a round. Rates count processor time, so that
other work on the machine changes them little; the server's own time is not counted. Two recipes for the others:
"plain" is Pillow and torchvision as anyone would write it, "same" is this project's decoding and crops in their workers.

This loader is also run over four epochs, of which it keeps nothing: what the last three cost is the cost without the start, and is
set beside decoding and crops of as many images in memory. The cache of blocks has all of them after the first, so to its share
what it costs to bring the blocks (`bringing`, per image) is added. With two workers the server has no core of its own on a
machine of two, so the same is done beside somebody else's reading (`beside`), and with one worker, by the clock, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from itertools import product
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

from benchmarks.data.alone import ALONE, one_worker  # noqa: E402
from benchmarks.data.alone import summarised as of_one_worker  # noqa: E402
from benchmarks.data.running import BUCKET, Arms, Figures, further, middle, tried  # noqa: E402
from benchmarks.train.commit import commit_of  # noqa: E402
from tests.contract.trainer.s3_server import s3_server  # noqa: E402

OWN = ("ours", "apart", "scattered", "cached", "kept")
LONG = ("memory", "beside", "apart", "scattered", "cached", "kept")
"""Arms of which it is known what an image costs without the start; `ours` is `apart` in a run that is long enough."""
OTHERS = ("webdataset", "litdata", "mosaicml")
PACKAGES = (
    "webdataset", "litdata", "mosaicml-streaming", "torch", "torchvision", "pillow", "simplejpeg", "numpy", "s3fs", "pycurl", "boto3",
)  # fmt: skip


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
        with Arms(given.python, ALONE, workers=1) as arms:
            alone = [one_worker(arms, given.samples) for _ in range(given.rounds)]
        rounds, summary = ([], {}) if given.alone else two_workers(given)
        if not given.alone:
            summary["bytes read / used at a filter of 1.3 %"] = read_over_used(storage, given.samples)
    summary["one worker"] = of_one_worker(alone)
    sys.stdout.write(f"{json.dumps(summary, indent=2)}\n")
    store(given, summary, rounds, alone)
    return 0


def two_workers(given: argparse.Namespace) -> tuple[list[dict[str, Figures]], dict[str, Any]]:
    """All arms with two workers: each round, and what they come to."""
    others = () if given.own else OTHERS
    with Arms(given.python, ("memory", "beside", *OWN, "bringing", "fsspec", *others)) as arms:
        rounds = [one_round(arms, given.samples, others) for _ in range(given.rounds)]
        half = given.samples // 2 // 64 * 64
        starts = {
            arm: middle(
                [
                    tried(arms, arm, "mae", "same", given.samples, first=half)["seconds_to_first_batch"]
                    for _ in range(given.rounds)
                ]
            )
            for arm in ("ours", "litdata", "mosaicml")
            if arm in arms.running
        }
    return rounds, summarised(rounds) | {"resume in the middle of an epoch, seconds to first batch": starts}


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
    parser.add_argument(
        "--alone", action="store_true", help="with one worker only: the share beyond decoding and crops"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where the server keeps its data")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    return parser.parse_args()


def upload(storage: Storage, folder: Path) -> None:
    """All files to the bucket, under their path in the folder."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        storage.put(f"s3://{BUCKET}/{file.relative_to(folder)}", file.read_bytes())


def one_round(arms: Arms, samples: int, others: tuple[str, ...]) -> dict[str, Figures]:
    """Every arm once, with the crops of DINO and of MAE."""
    found: dict[str, Figures] = {}
    for crops in ("dino", "mae"):
        todo = [(arm, "same") for arm in ("memory", "beside", *OWN, "fsspec")]
        for arm, recipe in todo + [(arm, recipe) for recipe in ("plain", "same") for arm in others]:
            name = f"{crops} {arm} {recipe}"
            found[name] = (
                arms.run(arm, crops, recipe, samples)
                if arm not in others
                else tried(arms, arm, crops, recipe, samples)
            )
            if arm in LONG:
                found[name] |= further(arms, arm, crops, samples, found[name])
            if arm == "cached":
                everything = arms.run("bringing", crops, recipe, samples)["processor_seconds"]
                start = arms.run("bringing", crops, recipe, samples, images=1)["processor_seconds"]
                brought = (everything - start) / samples * 1e3
                found[name] |= {"brought_ms": brought, "further_ms": found[name]["further_ms"] + brought}
            sys.stderr.write(f"{name}: {found[name]}\n")
    return found


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
                arm: middle([one[f"{crops} {arm} same"]["further_ms"] for one in rounds]) for arm in LONG
            },
        }
        for yardstick, own in product(("memory", "beside"), LONG[1:]):
            pairs = [
                (one[f"{crops} {yardstick} same"]["further_ms"], one[f"{crops} {own} same"]["further_ms"])
                for one in rounds
            ]
            beyond = [1 - in_memory / spent for in_memory, spent in pairs]
            told[f"share of processor time beyond decode and crops ({yardstick}), {own}"] = middle(beyond)
        for own in OWN:
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


def store(
    given: argparse.Namespace,
    summary: dict[str, Any],
    rounds: list[dict[str, Figures]],
    alone: list[dict[str, Figures]],
) -> None:
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
    file.write_text(
        json.dumps({"facts": facts, "summary": summary, "rounds": rounds, "one worker": alone}, indent=2)
        + "\n"
    )
    sys.stdout.write(f"stored in {file}\n")


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


if __name__ == "__main__":
    raise SystemExit(main())
