"""Pods of a pass: each scores its range and says how far it is, the last one writes the table."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from webssl_api import exit_codes
from webssl_api.curation import ResolvedCuration
from webssl_api.curation_status import FINISH_KEY, CurationReport, report_key, total
from webssl_trainer.curation.pod import run
from webssl_trainer.curation.settings import parse, processors, report_address
from webssl_trainer.storage import Storage

from .conftest import Shards, mixed, spec_of


@pytest.fixture
def pod(shards: Shards, tmp_path: Path) -> Any:
    """Runs a pod of a pass of two ranges; its exit code."""
    spec = spec_of(shards(mixed()), f"file://{tmp_path}/scores", {"quality": {}}, ranges=2)
    resolved = ResolvedCuration(name="score", namespace="team", uid="1", spec=spec)
    (tmp_path / "curation.yaml").write_text(resolved.to_yaml())
    (tmp_path / "ended").touch()

    def started(action: str, number: int = 0, stopped: bool = False, **env: str) -> int:
        stop = threading.Event()
        if stopped:
            stop.set()
        given = {
            "WEBSSL_CURATION_FILE": f"{tmp_path}/curation.yaml",
            "WEBSSL_REPORT": f"file://{tmp_path}/reports",
            "JOB_COMPLETION_INDEX": str(number),
            "WEBSSL_SCRATCH": str(tmp_path),
            "WEBSSL_TERMINATION_LOG": f"{tmp_path}/ended",
            "WEBSSL_LOG_LEVEL": "critical",
        }
        return run(parse([action], given | env), stop)

    return started


def report(tmp_path: Path, key: str) -> CurationReport:
    return CurationReport.model_validate_json((tmp_path / "reports" / key).read_text())


def test_ranges_report_what_they_did_and_the_finish_names_the_table(
    pod: Any, storage: Storage, tmp_path: Path
) -> None:
    assert [pod("score", number) for number in (0, 1)] == [exit_codes.COMPLETE] * 2
    ranges = [report(tmp_path, report_key(number)) for number in (0, 1)]
    summed = total(ranges)
    assert (summed.shards_done, summed.shards_total, summed.rows, summed.samples_total) == (3, 3, 8, 8)
    assert not summed.finished
    assert pod("finish") == exit_codes.COMPLETE
    done = report(tmp_path, FINISH_KEY)
    assert done.finished
    assert done.table_uri.startswith(f"file://{tmp_path}/scores/tables/")
    assert len(done.table_digest) == 64
    assert total([*ranges, done]) == done


def test_a_pod_that_is_told_to_stop_asks_to_be_tried_again_and_the_next_goes_on(
    pod: Any, tmp_path: Path
) -> None:
    assert pod("score", 0, stopped=True) == exit_codes.RETRY
    assert report(tmp_path, report_key(0)).shards_done == 0
    assert pod("score", 0) == exit_codes.COMPLETE


def test_finishing_too_early_is_an_error_that_says_what_is_missing(pod: Any, tmp_path: Path) -> None:
    assert pod("finish") == exit_codes.USER_ERROR
    assert "3 of 3 shards are not scored" in (tmp_path / "ended").read_text()
    assert "3 of 3 shards are not scored" in report(tmp_path, FINISH_KEY).message


def test_a_missing_or_wrong_file_is_an_error_that_names_it(pod: Any, tmp_path: Path) -> None:
    assert pod("score", WEBSSL_CURATION_FILE=f"{tmp_path}/none.yaml") == exit_codes.USER_ERROR
    assert "none.yaml can not be read" in (tmp_path / "ended").read_text()
    (tmp_path / "curation.yaml").write_text("{}")
    assert pod("score") == exit_codes.USER_ERROR
    assert "is not valid" in (tmp_path / "ended").read_text()


def test_reports_go_to_a_key_of_the_config_map() -> None:
    assert report_address("configmap://team/score", "report-3.json") == "configmap://team/score#report-3.json"


@pytest.mark.parametrize(("text", "most"), [("100000 100000", 1), ("max 100000", 10**6), ("", 10**6)])
def test_a_container_counts_the_processors_of_its_limit(tmp_path: Path, text: str, most: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert 1 <= processors(tmp_path / "cpu.max") <= most
