"""The API server itself refuses each wrong manifest, with the message that tells the mend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client
from kubernetes.client.rest import ApiException
from webssl_api.run import GROUP, PLURAL, VERSION

from tests.manifests.valid import valid_run
from tests.manifests.wrong import CHANGE, CREATE, Wrong

NAMESPACE = "default"


@pytest.fixture(scope="module")
def runs(kube: client.ApiClient) -> client.CustomObjectsApi:
    return client.CustomObjectsApi(kube)


def _create(runs: client.CustomObjectsApi, manifest: dict[str, Any]) -> Any:
    return runs.create_namespaced_custom_object(
        GROUP, VERSION, NAMESPACE, PLURAL, manifest, dry_run="All", field_validation="Strict"
    )


def test_the_table_has_at_least_25_rows() -> None:
    assert len(CREATE) + len(CHANGE) >= 25


def test_the_valid_run_is_taken_and_its_defaults_are_filled_in(runs: client.CustomObjectsApi) -> None:
    stored = _create(runs, valid_run())
    assert stored["spec"]["objective"]["dino"]["ibotHead"]["bottleneckDim"] == 256
    assert stored["spec"]["workers"]["pendingGrace"] == "5m"
    assert stored["spec"]["restartPolicy"] == {"maxRestarts": 20, "window": "24h"}


@pytest.mark.parametrize("wrong", CREATE, ids=lambda wrong: wrong.name)
def test_a_wrong_manifest_is_refused_with_the_mend(runs: client.CustomObjectsApi, wrong: Wrong) -> None:
    with pytest.raises(ApiException) as caught:
        _create(runs, wrong.manifest())
    assert caught.value.status in (400, 422)
    assert wrong.says in yaml.safe_load(caught.value.body)["message"]


@pytest.fixture(scope="module")
def stored(runs: client.CustomObjectsApi) -> Iterator[dict[str, Any]]:
    manifest = valid_run()
    manifest["metadata"]["name"] = "immutable"
    yield runs.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, manifest)
    runs.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "immutable")


@pytest.mark.parametrize("wrong", CHANGE, ids=lambda wrong: wrong.name)
def test_a_field_that_checkpoints_depend_on_cannot_change(
    runs: client.CustomObjectsApi, stored: dict[str, Any], wrong: Wrong
) -> None:
    manifest = wrong.manifest()
    manifest["metadata"] = {"name": "immutable", "resourceVersion": stored["metadata"]["resourceVersion"]}
    with pytest.raises(ApiException) as caught:
        runs.replace_namespaced_custom_object(
            GROUP, VERSION, NAMESPACE, PLURAL, "immutable", manifest, dry_run="All"
        )
    assert caught.value.status == 422
    assert wrong.says in yaml.safe_load(caught.value.body)["message"]


def test_scale_sets_the_upper_worker_count(runs: client.CustomObjectsApi, stored: dict[str, Any]) -> None:
    scale = runs.get_namespaced_custom_object_scale(GROUP, VERSION, NAMESPACE, PLURAL, "immutable")
    assert scale["spec"]["replicas"] == 2
    scale["spec"]["replicas"] = 4
    runs.replace_namespaced_custom_object_scale(GROUP, VERSION, NAMESPACE, PLURAL, "immutable", scale)
    run = runs.get_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, "immutable")
    assert run["spec"]["workers"]["max"] == 4
