"""Which pods Prometheus scrapes, and as what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_localcluster.pod_targets import apply_event, render, target_of


def _pod(uid: str = "1", **annotations: str) -> dict[str, Any]:
    named = {f"prometheus.io/{key}": value for key, value in annotations.items()}
    return {
        "metadata": {
            "uid": uid,
            "name": f"pod-{uid}",
            "namespace": "team",
            "labels": {"webssl.dev/run": "dino"},
            "annotations": named,
        },
        "spec": {"nodeName": "n0", "containers": [{"ports": [{"containerPort": 9000}]}]},
        "status": {"phase": "Running", "podIP": "10.200.0.7"},
    }


def test_a_running_pod_that_asks_is_a_target_with_its_labels() -> None:
    target = target_of(_pod(scrape="true", port="8080", path="/m"))
    assert target is not None
    assert target["targets"] == ["10.200.0.7:8080"]
    expected = {
        "webssl_dev_run": "dino",
        "namespace": "team",
        "pod": "pod-1",
        "node": "n0",
        "__metrics_path__": "/m",
    }
    assert expected.items() <= target["labels"].items()


def test_without_a_port_annotation_the_first_declared_port_is_taken() -> None:
    target = target_of(_pod(scrape="true"))
    assert target is not None
    assert target["targets"] == ["10.200.0.7:9000"]


def test_a_pod_that_does_not_ask_is_no_target() -> None:
    assert target_of(_pod()) is None
    assert target_of(_pod(scrape="false")) is None


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_a_pod_that_does_not_run_is_no_target(phase: str) -> None:
    pod = _pod(scrape="true")
    pod["status"]["phase"] = phase
    assert target_of(pod) is None


def test_a_pod_that_is_going_is_no_target() -> None:
    pod = _pod(scrape="true")
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert target_of(pod) is None


@given(order=st.permutations(["1", "2", "3"]))
def test_the_file_does_not_depend_on_the_order_in_which_pods_appeared(order: list[str]) -> None:
    pods: dict[str, dict[str, Any]] = {}
    for uid in order:
        apply_event(pods, {"type": "ADDED", "object": _pod(uid, scrape="true")})
    assert render(pods) == render({uid: _pod(uid, scrape="true") for uid in ("1", "2", "3")})


def test_a_deleted_pod_is_gone_and_a_bookmark_changes_nothing() -> None:
    pods: dict[str, dict[str, Any]] = {}
    apply_event(pods, {"type": "ADDED", "object": _pod(scrape="true")})
    apply_event(pods, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}})
    assert len(json.loads(render(pods))) == 1
    apply_event(pods, {"type": "DELETED", "object": _pod(scrape="true")})
    assert json.loads(render(pods)) == []


def test_a_watch_that_reports_an_error_is_over() -> None:
    with pytest.raises(ConnectionError):
        apply_event({}, {"type": "ERROR", "object": {"code": 410}})
