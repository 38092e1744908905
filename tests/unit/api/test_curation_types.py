"""A curation's manifest is read, refused with a mend where it is wrong, and comes back from its ConfigMap as it was."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from webssl_api.crd import crd_of
from webssl_api.curation import CURATION, ResolvedCuration, WebSSLCuration
from webssl_api.curation_status import CurationReport, total


def manifest(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "score"},
        "spec": {
            "data": {"source": "s3://mc2b/shards/{000..099}.tar"},
            "scorers": {"text": {}, "duplicates": {}, "quality": {}},
            "output": {"uri": "s3://mc2b/scores"},
            **spec,
        },
    }


def test_a_manifest_with_three_fields_has_defaults_for_the_rest() -> None:
    spec = WebSSLCuration.parse(manifest()).spec
    assert (spec.engine, spec.ranges, spec.max_retries, spec.max_bad_share) == ("auto", 1, 3, 0.05)
    assert spec.scorers.named() == ["text", "duplicates", "quality"]
    assert spec.scorers.text is not None
    assert (spec.scorers.text.light_share, spec.scorers.text.heavy_share) == (0.503, 0.013)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"scorers": {}}, "spec.scorers is empty: name at least one of text, vlm, duplicates, quality"),
        (
            {"output": {"uri": "s3://mc2b/scores/*.parquet"}},
            "spec.output.uri s3://mc2b/scores/*.parquet holds a pattern",
        ),
        ({"output": {"uri": "mc2b"}}, "spec.output.uri mc2b is not a storage address"),
        (
            {"scorers": {"text": {"lightShare": 0.1, "heavyShare": 0.2}}},
            "heavyShare 0.2 is above lightShare 0.1",
        ),
        (
            {"scorers": {"vlm": {"model": "smolvlm"}}},
            "spec.scorers.vlm.model smolvlm is not a storage address",
        ),
        ({"data": {"source": "s3://mc2b/shards"}}, "names no shards"),
        ({"ranges": 0}, "ranges"),
        ({"engine": "spark"}, "engine"),
    ],
)
def test_a_wrong_manifest_is_refused(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as error:
        WebSSLCuration.parse(manifest(**spec))
    assert says in str(error.value)


def test_a_pod_reads_what_the_operator_wrote() -> None:
    resolved = ResolvedCuration.of(WebSSLCuration.parse(manifest(ranges=4)))
    assert ResolvedCuration.from_yaml(resolved.to_yaml()) == resolved


def test_the_reports_of_ranges_add_up_and_the_finishing_step_has_the_last_word() -> None:
    one = CurationReport(shards_done=1, shards_total=2, samples=10, rows=10, failures={"empty": 1}, time="a")
    two = CurationReport(
        shards_done=2, shards_total=2, samples=20, rows=20, failures={"empty": 2, "not-decoded": 1}
    )
    summed = total([one, two])
    assert (summed.shards_done, summed.shards_total, summed.samples) == (3, 4, 30)
    assert summed.failures == {"empty": 3, "not-decoded": 1}
    done = CurationReport(finished=True, rows=40, table_uri="s3://t")
    assert total([one, done, two]) == done


def test_kubectl_explain_has_a_sentence_for_every_field_of_a_curation() -> None:
    root = crd_of(CURATION)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    def bare(schema: dict[str, Any], path: str) -> list[str]:
        found = []
        for name, child in schema.get("properties", {}).items():
            if not str(child.get("description", "")).strip().endswith("."):
                found.append(f"{path}.{name}")
            found += bare(child, f"{path}.{name}") + bare(child.get("items", {}), f"{path}.{name}")
        return found

    assert [bare(root["properties"][part], part) for part in ("spec", "status")] == [[], []]
