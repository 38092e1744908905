"""What the demo decides; the demo itself runs in tests/e2e."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from webssl_api import Phase, RunStatus, WebSSLRun
from webssl_api.status import CheckpointStatus, ProgressStatus, WorkersStatus
from webssl_cli.demo.manifest import image_values, render, surroundings
from webssl_cli.demo.place import Place, given_place
from webssl_cli.demo.steps import goes_on
from webssl_cli.demo.story import is_time_to_kill, rank_zero
from webssl_cli.demo.whereabouts import whereabouts
from webssl_cli.errors import CliError
from webssl_cli.kube.runs import PodOfRun

EXAMPLE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[3] / "examples" / "demo.yaml").read_text())
IMAGES = {target: f"registry.example:5000/webssl/{target}:1" for target in ("operator", "trainer", "eval")}
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "very-secret"}
PLACE = Place(
    kubeconfig=Path("/state/kubeconfig"),
    context="webssl-default",
    s3_inside="http://10.0.0.1:8333",
    s3_outside="http://127.0.0.1:8333",
    access_key="key",
    secret_key="very-secret",
    region="us-east-1",
    images=IMAGES,
    prometheus="http://10.0.0.1:9090",
    keys='eval "$(webssl cluster s3 env)"',
    removal="webssl cluster down --purge",
)


def status(
    step: int, *, checkpoint: int | None = 30, ready: int = 2, phase: Phase = Phase.RUNNING
) -> RunStatus:
    last = (
        None
        if checkpoint is None
        else CheckpointStatus(uri="u", digest="d", step=checkpoint, samples=checkpoint * 32)
    )
    return RunStatus(
        phase=phase,
        progress=ProgressStatus(step=step, samples=step * 32),
        workers=WorkersStatus(ready=ready, desired=2),
        last_checkpoint=last,
    )


def pod(name: str, index: int | None, phase: str = "Running", suite: str = "") -> PodOfRun:
    return PodOfRun(name=name, role="worker", index=index, phase=phase, node="n0", first=name, suite=suite)


def test_the_rendered_run_is_valid_and_reads_from_this_places_storage() -> None:
    run = WebSSLRun.parse(render(EXAMPLE, PLACE, "1"))
    assert run.spec.data.storage.endpoint == "http://10.0.0.1:8333"
    assert run.spec.checkpoint.uri == "s3://webssl-demo/runs/demo-1"


def test_no_key_stands_in_the_manifest_or_in_what_is_printed() -> None:
    assert "very-secret" not in str(render(EXAMPLE, PLACE, "1"))
    assert "very-secret" not in repr(PLACE)
    assert "very-secret" not in str(whereabouts(PLACE, "demo", "webssl-demo", "s3://webssl-demo/runs/demo-1"))


def test_the_keys_are_in_the_secret_that_the_run_names() -> None:
    secret = surroundings("webssl-demo", PLACE)[1]
    assert secret["metadata"]["name"] == EXAMPLE["spec"]["data"]["storage"]["secretRef"]["name"]
    assert secret["stringData"]["AWS_SECRET_ACCESS_KEY"] == "very-secret"


@pytest.mark.parametrize(
    ("name", "repository", "tag"),
    [
        ("localhost/webssl/operator:abc", "localhost/webssl/operator", "abc"),
        ("registry:5000/operator", "registry:5000/operator", "latest"),
        ("registry:5000/operator:1.2", "registry:5000/operator", "1.2"),
    ],
)
def test_image_names_become_chart_values(name: str, repository: str, tag: str) -> None:
    assert image_values({"operator": name})["images"] == {
        "registry": "",
        "operator": {"repository": repository, "tag": tag},
    }


def test_a_worker_is_killed_only_when_its_death_shows() -> None:
    assert is_time_to_kill(status(80), 6400)
    assert not is_time_to_kill(status(20), 6400), "too early"
    assert not is_time_to_kill(status(195), 6400), "too late"
    assert not is_time_to_kill(status(80, checkpoint=None), 6400), "no checkpoint"
    assert not is_time_to_kill(status(80, checkpoint=80), 6400), "nothing would be lost"
    assert not is_time_to_kill(status(80, ready=1), 6400), "only one worker"
    assert not is_time_to_kill(status(80, phase=Phase.EVALUATING), 6400)


def test_the_rank_zero_worker_is_the_newest_running_pod_of_index_0() -> None:
    pods = [
        pod("a", 0, "Failed"),
        pod("b", 1),
        pod("c", 0),
        pod("e", 0, suite="knn"),
        pod("f", 0, "Terminating"),
    ]
    found = rank_zero(pods)
    assert found is not None
    assert found.name == "c"
    assert rank_zero([pod("a", 0, "Pending")]) is None


def test_an_unfinished_run_of_the_same_manifest_goes_on() -> None:
    known = render(EXAMPLE, PLACE, "1")
    wanted = render(EXAMPLE, PLACE, "2")
    assert goes_on(known, wanted)
    assert not goes_on({**known, "status": {"phase": "Succeeded"}}, wanted)


def test_a_run_of_another_manifest_does_not_go_on() -> None:
    known = render(EXAMPLE, PLACE, "1")
    known["spec"]["data"]["seed"] = 7
    assert not goes_on(known, render(EXAMPLE, PLACE, "2"))


def given(**changes: Any) -> Place:
    arguments: dict[str, Any] = {
        "s3_endpoint": "http://s3:8333",
        "s3_inside": None,
        "images": IMAGES,
        "prometheus": None,
        "environment": KEYS,
    }
    return given_place("mine", None, **(arguments | changes))


def test_a_cluster_of_the_users_needs_an_s3_server_keys_and_images() -> None:
    assert given().s3_inside == "http://s3:8333"
    with pytest.raises(CliError, match="--s3-endpoint is not given: name the address"):
        given(s3_endpoint=None)
    with pytest.raises(CliError, match="are not set: export the keys"):
        given(environment={})
    with pytest.raises(CliError, match="--image-eval is not given: push the eval image"):
        given(images={**IMAGES, "eval": ""})


def test_where_metrics_logs_and_checkpoints_are_is_said() -> None:
    lines = dict(whereabouts(PLACE, "demo", "webssl-demo", "s3://webssl-demo/runs/demo-1"))
    assert lines["metrics"].startswith("http://10.0.0.1:9090/graph?g0.expr=webssl_run")
    assert "webssl logs demo --worker 0 -n webssl-demo --context webssl-default" in lines["logs"]
    assert "s3://webssl-demo/runs/demo-1" in lines["checkpoints"]
    assert lines["remove all"] == "webssl cluster down --purge"
