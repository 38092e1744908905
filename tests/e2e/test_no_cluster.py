"""`webssl run`: a manifest trained, disturbed and evaluated on this machine, without a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image, ImageDraw
from webssl_api import Phase, RunStatus, TrainingReport
from webssl_cli.local.folder import RunFolder
from webssl_trainer.data.pack import folder_items, pack
from webssl_trainer.storage import open_storage

ROOT = Path(__file__).parents[2]
LONGEST = 420.0


def draw(kind: int, number: int) -> Image.Image:
    """A circle, a square or a cross in one of many places, sizes and colours."""
    image = Image.new("RGB", (64, 64), (number * 37 % 128, number * 53 % 128, number * 71 % 128))
    pen = ImageDraw.Draw(image)
    x, y, r = 20 + number * 7 % 24, 20 + number * 11 % 24, 8 + number % 9
    colour = (255 - number * 13 % 96, 255 - number * 29 % 96, 255 - number * 31 % 96)
    if kind == 0:
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == 1:
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        pen.line((x - r, y - r, x + r, y + r), fill=colour, width=4)
        pen.line((x - r, y + r, x + r, y - r), fill=colour, width=4)
    return image


def make_shards(folder: Path, target: Path, prefix: str, count: int, first: int) -> None:
    for kind in range(3):
        for number in range(first, first + count):
            file = folder / f"{kind}" / f"{number:04d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            draw(kind, number).save(file)
    pack(folder_items(folder, labelled=True), open_storage(), (target / prefix).as_uri(), 50)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """examples/local.yaml, shorter, on drawn images."""
    make_shards(tmp_path / "a", tmp_path / "shards", "train", 60, 0)
    make_shards(tmp_path / "b", tmp_path / "shards", "test", 20, 1000)
    run: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "local.yaml").read_text())
    spec = run["spec"]
    spec["data"]["source"] = f"{(tmp_path / 'shards').as_uri()}/train/*.tar"
    spec["schedule"]["stages"][0]["samples"] = 3200
    spec["checkpoint"] = {"uri": (tmp_path / "checkpoints").as_uri(), "interval": {"samples": 320}}
    knn = spec["evaluation"]["suites"][0]["knn"]
    knn["train"] = f"{(tmp_path / 'shards').as_uri()}/train/*.tar"
    knn["test"] = f"{(tmp_path / 'shards').as_uri()}/test/*.tar"
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(run))
    return file


def start(manifest: Path, workdir: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "webssl_cli.main",
        "run",
        str(manifest),
        "--workers",
        "2",
        "--workdir",
        str(workdir),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def until(condition: Callable[[], bool], command: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + LONGEST
    while not condition():
        assert command.poll() is None, command.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.1)


def report(folder: RunFolder) -> TrainingReport:
    if not folder.report_file.exists():
        return TrainingReport()
    return TrainingReport.model_validate_json(folder.report_file.read_bytes())


def agents(folder: RunFolder) -> list[int]:
    """Process ids of the worker agents of one run, worker 0 first, from their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            variables = dict(
                item.partition(b"=")[::2] for item in (place / "environ").read_bytes().split(b"\0")
            )
        except OSError:
            continue
        if (
            b"webssl_trainer.launch" in words
            and variables.get(b"WEBSSL_RUN_FILE") == str(folder.run_file).encode()
        ):
            found.append((variables[b"JOB_COMPLETION_INDEX"], int(place.name)))
    return [pid for _, pid in sorted(found)]


def test_a_run_survives_the_death_of_its_rank_0_worker_and_is_evaluated(
    manifest: Path, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "work")
    command = start(manifest, folder.path)
    try:
        until(lambda: report(folder).last_checkpoint is not None and report(folder).step >= 15, command)
        os.kill(agents(folder)[0], signal.SIGKILL)
        output, _ = command.communicate(timeout=LONGEST)
    finally:
        command.kill()
    assert command.returncode == 0, output
    status = RunStatus.model_validate_json(folder.status_file.read_bytes())
    assert status.phase is Phase.SUCCEEDED, output
    assert status.progress.samples == 3200
    assert status.attempt >= 2, "a smaller round may come in between"
    assert status.restarts.total == 1
    assert status.resumed_from is not None
    assert status.evaluation is not None
    (knn,) = status.evaluation.suites
    assert knn.phase == "Succeeded"
    assert knn.questions == 60
    assert "Run local" in output
    assert "prior" in output
    assert agents(folder) == []


def test_a_finished_run_shows_its_table_again_without_training(manifest: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "work")
    first = start(manifest, folder.path)
    output, _ = first.communicate(timeout=LONGEST)
    assert first.returncode == 0, output
    before = report(folder).last_checkpoint
    again = start(manifest, folder.path)
    output, _ = again.communicate(timeout=LONGEST)
    assert again.returncode == 0, output
    assert report(folder).last_checkpoint == before
    assert "Run local" in output


def test_data_that_is_not_there_ends_the_run_and_names_it(manifest: Path, tmp_path: Path) -> None:
    run = yaml.safe_load(manifest.read_text())
    run["spec"]["data"]["source"] = f"{tmp_path.as_uri()}/nowhere/*.tar"
    manifest.write_text(yaml.safe_dump(run))
    command = start(manifest, tmp_path / "work")
    output, _ = command.communicate(timeout=LONGEST)
    assert command.returncode == 1, output
    assert "nowhere" in output
