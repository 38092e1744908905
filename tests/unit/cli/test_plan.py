"""`webssl plan`: what a run needs, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result
from webssl_cli.main import make_app

EXAMPLES = Path(__file__).parents[3] / "examples"
runner = CliRunner()
APP = make_app(with_cluster=False)


def manifest(tmp_path: Path, example: str = "dino-1b-mc2b", **changes: dict[str, Any]) -> str:
    """An example with some fields of some parts of its spec changed, or removed where the value is None."""
    document = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
    for part, fields in changes.items():
        merged = document["spec"][part] | fields
        document["spec"][part] = {name: value for name, value in merged.items() if value is not None}
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)


def planned(*arguments: str) -> tuple[Result, dict[str, Any]]:
    result = runner.invoke(APP, ["plan", "--json", "-f", *arguments])
    return result, json.loads(result.stdout)


@pytest.mark.parametrize("example", ["dino-1b-mc2b", "recipe", "elastic", "high-resolution"])
def test_an_example_for_machines_of_eight_gpus_fits_them_at_every_worker_count(example: str) -> None:
    result, plan = planned(str(EXAMPLES / f"{example}.yaml"))
    assert result.exit_code == 0, result.stderr
    assert plan["gpu"]["name"] == "H100"
    assert [w["workers"] for w in plan["workers"] if w["fits"]] == [w["workers"] for w in plan["workers"]]


def test_a_run_that_fits_is_planned_at_every_allowed_worker_count(tmp_path: Path) -> None:
    result, plan = planned(manifest(tmp_path, schedule={"microBatchSize": 16}))
    assert result.exit_code == 0
    assert [(w["workers"], w["gpus"], w["samplesPerGpu"], w["accumulation"]) for w in plan["workers"]] == [
        (4, 32, 96, 6),
        (6, 48, 64, 4),
        (8, 64, 48, 3),
    ]
    assert plan["fits"]
    assert plan["remedies"] == []
    assert all(w["memoryBytes"]["peak"] <= plan["gpu"]["usableBytes"] for w in plan["workers"])


def test_a_run_that_does_not_fit_is_refused_with_the_smallest_change(tmp_path: Path) -> None:
    result, plan = planned(manifest(tmp_path, schedule={"microBatchSize": 48}))
    assert result.exit_code == 1
    assert not plan["fits"]
    first = plan["remedies"][0]
    assert (first["field"], first["value"]) == ("spec.schedule.microBatchSize", "32")
    assert "spec.workers: the run does not fit on 4, 8 workers" in result.stderr
    assert "set spec.schedule.microBatchSize to 32" in result.stderr


def test_the_change_that_is_named_makes_it_fit(tmp_path: Path) -> None:
    refused, plan = planned(manifest(tmp_path, schedule={"microBatchSize": None}))
    assert refused.exit_code == 1
    size = int(plan["remedies"][0]["value"])
    result, _ = planned(manifest(tmp_path, schedule={"microBatchSize": size}))
    assert result.exit_code == 0


def test_time_and_cost_follow_from_mfu_gpu_and_price(tmp_path: Path) -> None:
    file = manifest(tmp_path, schedule={"microBatchSize": 16})
    _, half = planned(file, "--mfu", "0.25", "--price", "2")
    _, full = planned(file, "--mfu", "0.5", "--price", "2")
    for slow, fast in zip(half["workers"], full["workers"], strict=True):
        assert slow["seconds"] == pytest.approx(2 * fast["seconds"])
        assert slow["gpuHours"] == pytest.approx(slow["gpus"] * slow["seconds"] / 3600)
        assert slow["cost"] == pytest.approx(2 * slow["gpuHours"])
        assert slow["imagesPerSecond"] * slow["seconds"] == pytest.approx(half["samples"])


def test_people_get_tables(tmp_path: Path) -> None:
    result = runner.invoke(APP, ["plan", "-f", manifest(tmp_path, "demo")], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    for text in ("Plan of demo", "Memory of one GPU, GiB", "Time and cost at MFU 0.4", "micro-batch"):
        assert text in result.output


def test_an_unknown_gpu_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    result = runner.invoke(APP, ["plan", "-f", manifest(tmp_path), "--gpu", "H900"])
    assert str(result.exception).startswith("GPU 'H900' is unknown; use one of B200, H200, H100")
