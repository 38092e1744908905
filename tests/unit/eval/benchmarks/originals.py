"""Tiny sets in the layouts that some benchmarks' authors publish themselves: TSV and JSON with images beside them."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path

from PIL import Image

from tests.unit.eval.benchmarks.made_pictures import colour_of, png
from tests.unit.eval.benchmarks.published_rows import (
    chartqa_rows,
    docvqa_rows,
    gqa_rows,
    mmbench_rows,
    ocrbench_rows,
    seed_rows,
    textvqa_rows,
)


def write_jpeg(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 6), colour_of(number)).save(path, quality=100, subsampling=0)


def write_png(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(number, 16))


def mmbench_tsv(folder: Path, count: int) -> None:
    """OpenCompass: the first pass of a question carries its picture, the others its index."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "mmbench_dev_en_20231003.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["index", "question", "hint", "A", "B", "C", "D", "answer", "category", "image"])
        for row in mmbench_rows(count):
            number = row["index"] % 1_000_000
            encoded = base64.b64encode(png(number, 16)).decode()
            image = encoded if row["index"] < 1_000_000 else str(number)
            hint = "" if row["hint"] == "nan" else row["hint"]
            options = [row["A"], row["B"], row["C"], ""]
            writer.writerow(
                [row["index"], row["question"], hint, *options, row["answer"], row["category"], image]
            )


def gqa_json(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    questions, _ = gqa_rows(count)
    records = {
        row["id"]: {"question": row["question"], "imageId": row["imageId"], "answer": row["answer"]}
        for row in questions
    }
    (folder / "testdev_balanced_questions.json").write_text(json.dumps(records))
    for number in range(-(-count // 2)):
        write_jpeg(folder / "images" / f"n{number}.jpg", number)


def chartqa_json(folder: Path, count: int) -> None:
    test = folder / "ChartQA Dataset" / "test"
    test.mkdir(parents=True, exist_ok=True)
    for kind in ("human", "augmented"):
        records = []
        for number, row in enumerate(chartqa_rows(count)):
            if row["type"].startswith(kind):
                records.append({"imgname": f"{number}.png", "query": row["question"], "label": row["answer"]})
                write_png(test / "png" / f"{number}.png", number)
        (test / f"test_{kind}.json").write_text(json.dumps(records))


def textvqa_json(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = textvqa_rows(count)
    kept = ("question_id", "question", "answers", "image_id")
    records = [{name: row[name] for name in kept} for row in rows]
    words = [{"image_id": row["image_id"], "ocr_tokens": row["ocr_tokens"]} for row in rows]
    (folder / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": records}))
    (folder / "TextVQA_Rosetta_OCR_v0.2_val.json").write_text(json.dumps({"data": words}))
    for number, row in enumerate(rows):
        write_jpeg(folder / "train_images" / f"{row['image_id']}.jpg", number)


def docvqa_json(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number, row in enumerate(docvqa_rows(count)):
        record = {name: row[name] for name in ("question", "answers", "docId")}
        image = f"documents/{number}_1.png"
        records.append({"questionId": int(row["questionId"]), "image": image, **record})
        write_png(folder / image, number)
    (folder / "val_v1.0_withQT.json").write_text(json.dumps({"dataset_name": "SP-DocVQA", "data": records}))


def ocrbench_json(folder: Path, count: int) -> None:
    """One answer is written as text, several as a list; ids come twice, being those of the sources."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number, row in enumerate(ocrbench_rows(count)):
        answers = row["answer"] if len(row["answer"]) > 1 else row["answer"][0]
        record = {"dataset_name": row["dataset"], "id": number % 2, "image_path": f"made/{number}.png"}
        records.append(
            {**record, "question": row["question"], "answers": answers, "type": row["question_type"]}
        )
        write_png(folder / "OCRBench_Images" / "made" / f"{number}.png", number)
    (folder / "OCRBench.json").write_text(json.dumps(records))


def seed_json(folder: Path, count: int) -> None:
    """Names of images have no ending."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{name: row[name] for name in row if name not in {"image", "segment"}} for row in seed_rows(count)]
    rows[-1]["data_id"] = "P01/video.mp4"
    (folder / "SEED-Bench.json").write_text(json.dumps({"questions": rows, "question_type": {}}))
    for number in range(count):
        write_png(folder / "SEED-Bench-image" / f"{number}", number)


ORIGINALS = {
    "seed-i": seed_json,
    "ocrbench": ocrbench_json,
    "mmbench": mmbench_tsv,
    "gqa": gqa_json,
    "chartqa": chartqa_json,
    "textvqa": textvqa_json,
    "docvqa": docvqa_json,
}
"""Writes a benchmark's files with `count` questions into its folder."""
