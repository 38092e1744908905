"""The API server itself refuses each wrong manifest, with the message that tells the mend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client
from kubernetes.client.rest import ApiException
from webssl_api.kinds import KINDS
from webssl_api.run import GROUP, PLURAL, VERSION

from tests.manifests.valid import valid_curation, valid_evaluation, valid_run
from tests.manifests.wrong import CHANGE, CREATE, OTHER_CHANGES, OTHER_KINDS, Wrong

NAMESPACE = "default"
PLURALS = {kind.name: kind.plural for kind in KINDS}


@pytest.fixture(scope="module")
def runs(kube: client.ApiClient) -> client.CustomObjectsApi:
    return client.CustomObjectsApi(kube)


def _create(runs: client.CustomObjectsApi, manifest: dict[str, Any]) -> Any:
    plural = PLURALS[manifest["kind"]]
    return runs.create_namespaced_custom_object(
        GROUP, VERSION, NAMESPACE, plural, manifest, dry_run="All", field_validation="Strict"
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


def test_the_valid_objects_of_the_other_kinds_are_taken_and_their_defaults_are_filled_in(
    runs: client.CustomObjectsApi,
) -> None:
    curation, evaluation = _create(runs, valid_curation()), _create(runs, valid_evaluation())
    assert curation["spec"]["scorers"]["text"]["lightShare"] == 0.503
    assert (curation["spec"]["engine"], curation["spec"]["maxRetries"]) == ("auto", 3)
    assert evaluation["spec"]["encoder"]["objective"] == "dino"
    assert evaluation["spec"]["suites"][0]["knn"]["k"] == 20


@pytest.mark.parametrize("wrong", OTHER_KINDS, ids=lambda wrong: f"{wrong.valid.__name__}: {wrong.name}")
def test_a_wrong_manifest_of_another_kind_is_refused_with_the_mend(
    runs: client.CustomObjectsApi, wrong: Wrong
) -> None:
    test_a_wrong_manifest_is_refused_with_the_mend(runs, wrong)


@pytest.mark.parametrize("wrong", OTHER_CHANGES, ids=lambda wrong: f"{wrong.valid.__name__}: {wrong.name}")
def test_what_the_work_of_another_kind_depends_on_cannot_change(
    runs: client.CustomObjectsApi, wrong: Wrong
) -> None:
    manifest = wrong.valid()
    plural, name = PLURALS[manifest["kind"]], manifest["metadata"]["name"]
    version = runs.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, plural, manifest)["metadata"][
        "resourceVersion"
    ]
    changed = wrong.manifest()
    changed["metadata"]["resourceVersion"] = version
    try:
        with pytest.raises(ApiException) as caught:
            runs.replace_namespaced_custom_object(GROUP, VERSION, NAMESPACE, plural, name, changed)
        assert caught.value.status == 422
        assert wrong.says in yaml.safe_load(caught.value.body)["message"]
    finally:
        runs.delete_namespaced_custom_object(GROUP, VERSION, NAMESPACE, plural, name)


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
