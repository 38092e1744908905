"""How well the text detector sorts images whose text is known, and what it costs.

Usage: python benchmarks/curation/run.py [--each 240] [--seed 1] [--threads 1] [--sheet FILE] [--out benchmarks/results]

Makes the mixed set (`mixed.py`), runs the whole pass over its shards with the set's own shares of light and heavy, and holds
the table's text_class against the labels. Seed 0 was looked at when the columns behind text_class were chosen; figures are of
others (windows, captions, words, styles and the draw of stamps and emoji differ; the fourteen photographs, most tables and
licences are the same). Then the detector alone at several sizes: average precision and time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import PIL
import pyarrow.parquet as pq
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from webssl_api.curation import HEAVY_SHARE, LIGHT_SHARE, TextScorer, WebSSLCurationSpec  # noqa: E402
from webssl_trainer.curation.counting import Count  # noqa: E402
from webssl_trainer.curation.engine_threads import score_shards  # noqa: E402
from webssl_trainer.curation.finish import finish  # noqa: E402
from webssl_trainer.curation.interface import Picture  # noqa: E402
from webssl_trainer.curation.opening import open_pass  # noqa: E402
from webssl_trainer.curation.recalibrate import recalibrated, thresholds_of  # noqa: E402
from webssl_trainer.curation.scorers import duplicates, quality, text  # noqa: E402
from webssl_trainer.curation.sheet import kept_and_dropped  # noqa: E402
from webssl_trainer.data.decode import decode_image  # noqa: E402
from webssl_trainer.data.look import draw  # noqa: E402
from webssl_trainer.data.pack import PackItem, pack  # noqa: E402
from webssl_trainer.storage import open_storage  # noqa: E402

from benchmarks.curation.mixed import KINDS, Known, jpeg, mixed  # noqa: E402
from benchmarks.train.commit import commit_of  # noqa: E402

SIDES = (224, 320, 448, 640)
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def main() -> int:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=240, help="images of each kind")
    parser.add_argument("--seed", type=int, default=1, help="of the draw of the set")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--sheet", type=Path, default=None, help="file for a contact sheet of kept and dropped images"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    given = parser.parse_args()
    known = list(mixed(given.seed, given.each))
    files = [jpeg(item.image, item.key) for item in known]
    with tempfile.TemporaryDirectory(prefix="bench-curation-") as folder:
        found = passed(known, files, Path(folder), given.threads, given.sheet)
    found["detector"] = [alone(known, files, side) for side in SIDES]
    found["msAnImage"] = cost(files)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    store(found, given.out, given.each, given.seed)
    return 0


def passed(
    known: Sequence[Known], files: Sequence[bytes], folder: Path, threads: int, sheet: Path | None
) -> dict[str, Any]:
    """The pass over the set as shards: what its text_class says beside the labels."""
    storage, base = open_storage(), f"file://{folder}"
    # shuffled, so that a shard is as mixed as the set
    order = np.random.default_rng(0).permutation(len(known)).tolist()
    pack([PackItem(known[at].key, files[at], "jpg") for at in order], storage, f"{base}/shards", 256)
    labels = Counter(item.label for item in known)
    light, heavy = (labels["light"] + labels["heavy"]) / len(known), labels["heavy"] / len(known)
    spec = WebSSLCurationSpec.model_validate(
        {
            "data": {"source": f"{base}/shards/*.tar"},
            "scorers": {"text": {"lightShare": light, "heavyShare": heavy}, "duplicates": {}, "quality": {}},
            "output": {"uri": f"{base}/scores"},
        }
    )
    parts = open_pass(storage, spec, folder)
    began = time.perf_counter()
    score_shards(parts, range(len(parts.index.shards)), threads, 10**9, 0.0, Count(0, 0))
    seconds = time.perf_counter() - began
    made = finish(parts, spec, folder)
    rows = {row["key"]: row for row in pq.read_table(made.uri.removeprefix("file://")).to_pylist()}
    classes = [rows[item.key]["text_class"] for item in known]
    truth = [item.label for item in known]
    paper = recalibrated(storage, made.uri, thresholds_of(storage, made.uri, LIGHT_SHARE, HEAVY_SHARE))
    strict = {
        row["key"]: row["text_class"] for row in pq.read_table(paper.uri.removeprefix("file://")).to_pylist()
    }
    areas = [(item.text_area, rows[item.key]["text_area"]) for item in known if item.text_area is not None]
    if sheet is not None:
        draw_sheet(parts, rows, sheet)
    return {
        "images": len(known),
        "kinds": dict(Counter(item.key.partition("-")[0] for item in known)),
        "shares": {"light": light, "heavy": heavy},
        "thresholds": made.manifest.thresholds,
        "textOrNone": scored([c != "none" for c in classes], [t != "none" for t in truth]),
        "heavyOrNot": scored([c == "heavy" for c in classes], [t == "heavy" for t in truth]),
        "byKind": {
            kind: dict(
                Counter(c for c, item in zip(classes, known, strict=True) if item.key.startswith(kind + "-"))
            )
            for kind in KINDS
        },
        "atThePapersShares": {
            "thresholds": paper.manifest.thresholds,
            "textOrNone": scored([strict[k.key] != "none" for k in known], [t != "none" for t in truth]),
            "heavyOrNot": scored([strict[k.key] == "heavy" for k in known], [t == "heavy" for t in truth]),
        },
        "captions": {
            "images": len(areas),
            "areaFoundOverTrueMedian": float(np.median([b / a for a, b in areas])),
            "rankCorrelation": rank_correlation(
                np.array([a for a, _ in areas]), np.array([b for _, b in areas])
            ),
        },
        "duplicates": made.manifest.duplicates,
        "duplicatesByKind": dict(
            Counter(key.partition("-")[0] for key, row in rows.items() if row["duplicate_kind"])
        ),
        "passSeconds": seconds,
    }


def draw_sheet(parts: Any, rows: dict[str, Any], sheet: Path) -> None:
    """Twenty kept and twenty dropped images."""
    refs = parts.index.locate_all(range(len(parts.index)))
    kept = [ref.index for ref in refs if rows[ref.key]["text_class"] == "heavy"][:20]
    dropped = [ref.index for ref in refs if rows[ref.key]["text_class"] != "heavy"][:20]
    seen = [draw(parts.storage, parts.index, numbers, side=96).images for numbers in (kept, dropped)]
    whole = kept_and_dropped(seen[0], seen[1], "text_class = heavy", columns=10, side=96)
    whole.quantize(128).save(sheet, optimize=True)


def scored(said: Sequence[bool], true: Sequence[bool]) -> dict[str, float]:
    """Precision and recall."""
    both = sum(a and b for a, b in zip(said, true, strict=True))
    return {
        "precision": both / max(1, sum(said)),
        "recall": both / max(1, sum(true)),
        "kept": sum(said) / len(said),
    }


def alone(known: Sequence[Known], files: Sequence[bytes], side: int) -> dict[str, Any]:
    """The detector at one size: average precision of its columns, and processor time."""
    scorer = text.make(TextScorer(side=side), open_storage(), Path())
    rows = []
    spent = 0.0
    for data in files:
        image = decode_image(data)
        began = time.process_time()
        rows.extend(scorer.score([Picture(data, image, image.size)]))
        spent += time.process_time() - began
    some = np.array([item.label != "none" for item in known])
    heavy = np.array([item.label == "heavy" for item in known])
    columns = {name: np.array([row[name] for row in rows], dtype=np.float64) for name, _ in scorer.columns}
    return {
        "side": side,
        "msAnImage": 1000 * spent / len(files),
        "textOrNone": {name: average_precision(values, some) for name, values in columns.items()},
        "heavyOrNot": {name: average_precision(values, heavy) for name, values in columns.items()},
    }


def cost(files: Sequence[bytes], count: int = 200) -> dict[str, float]:
    """Processor milliseconds an image of decoding and of the other scorers."""
    some = files[:: max(1, len(files) // count)]
    began = time.process_time()
    pictures = [Picture(data, image, image.size) for data in some for image in [decode_image(data)]]
    spent = {"decode": time.process_time() - began}
    for name, module in (("duplicates", duplicates), ("quality", quality)):
        settings = WebSSLCurationSpec.model_validate(
            {"data": {"source": "file:///x.tar"}, "output": {"uri": "file:///x"}, "scorers": {name: {}}}
        ).scorers
        scorer = module.make(getattr(settings, name), open_storage(), Path())  # type: ignore[attr-defined]
        began = time.process_time()
        scorer.score(pictures)
        spent[name] = time.process_time() - began
    return {name: 1000 * seconds / len(some) for name, seconds in spent.items()}


def average_precision(values: Floats, true: Bools) -> float:
    """Mean precision over the ranks of the true ones; equal values are ranked worst first."""
    order = np.lexsort((true, -values))
    hits = true[order]
    precision = hits.cumsum() / np.arange(1, hits.size + 1)
    return float(precision[hits].mean())


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's."""
    ranks = [values.argsort().argsort().astype(np.float64) for values in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def store(found: dict[str, Any], out: Path, each: int, seed: int) -> None:
    """Keep the figures with hardware, versions and commit."""
    now = datetime.now(UTC)
    result = {
        "benchmark": "curation",
        "time": now.isoformat(timespec="seconds"),
        "commit": commit_of(ROOT),
        "each": each,
        "seed": seed,
        "clock": "processor time, one thread",
        "hardware": {"machine": platform.machine(), "cpus": os.cpu_count(), "load": os.getloadavg()},
        "versions": {
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
            "pillow": PIL.__version__,
            "numpy": np.__version__,
        },
        **found,
    }
    path = out / f"curation-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(f"stored in {path}\n")


if __name__ == "__main__":
    raise SystemExit(main())
