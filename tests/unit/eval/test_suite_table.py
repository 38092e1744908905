"""Every kind of suite is made by the registry and stands in the tables of docs/evaluation.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from webssl_api.evaluation import KINDS, SuiteSpec
from webssl_api.run import WebSSLRunSpec
from webssl_eval.suites.registry import suite_for

from tests.manifests.valid import valid_run

PAGE = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text()
SETS = {"train": "s3://data/train", "test": "s3://data/test"}
SMALLEST: dict[str, dict[str, Any]] = {
    **dict.fromkeys(KINDS, SETS),
    "vqa": {**SETS, "languageModel": "/models/lm"},
    "alignment": {"pairs": "s3://data/pairs-0.tar", "languageModel": "/models/lm"},
    "zeroshot": {"pairs": "s3://data/pairs-0.tar", "test": "s3://data/test"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_registry_makes_a_suite_of_every_kind(kind):
    spec = SuiteSpec.model_validate({kind: SMALLEST[kind]})
    assert spec.kind == spec.key == suite_for(spec).kind == kind


def test_the_tables_name_every_kind_and_no_other():
    scores, after = PAGE.split("## Data")
    data = after.partition("\n## ")[0]
    firsts = [
        [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
        for part in (scores, data)
    ]
    for column in firsts:
        assert {name.strip(" `") for cell in column for name in cell.split(",")} == set(KINDS)


def test_the_example_of_the_page_is_a_valid_manifest():
    example = yaml.safe_load(PAGE.split("```yaml")[1].split("```")[0])
    spec = WebSSLRunSpec.model_validate({**valid_run()["spec"], **example})
    assert [suite.key for suite in spec.evaluation.suites] == [
        "linear",
        "segmentation",
        "ade20k-ms",
        "depth",
        "alignment",
    ]
