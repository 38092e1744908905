"""What the API server refuses, our own parser refuses too, naming the same field; see also tests/contract."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from webssl_api import WebSSLRun
from webssl_api.kinds import KINDS

from tests.manifests.valid import valid_curation, valid_evaluation, valid_run
from tests.manifests.wrong import CREATE, OTHER_KINDS, Wrong


def test_the_valid_run_is_taken() -> None:
    run = WebSSLRun.parse(valid_run())
    assert run.spec.schedule.total_steps == 10
    assert run.spec.allowed_worker_counts() == [1, 2]


@pytest.mark.parametrize("wrong", CREATE, ids=lambda wrong: wrong.name)
def test_a_wrong_manifest_is_refused_with_the_mend(wrong: Wrong) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        WebSSLRun.parse(wrong.manifest())
    assert (wrong.python_says or wrong.says) in str(caught.value)


MODELS = {kind.name: kind.model for kind in KINDS}


@pytest.mark.parametrize("valid", [valid_run(), valid_curation(), valid_evaluation()])
def test_the_valid_object_of_each_kind_is_taken(valid: dict[str, Any]) -> None:
    assert MODELS[valid["kind"]].model_validate(valid)


@pytest.mark.parametrize("wrong", OTHER_KINDS, ids=lambda wrong: f"{wrong.valid.__name__}: {wrong.name}")
def test_a_wrong_manifest_of_another_kind_is_refused_with_the_mend(wrong: Wrong) -> None:
    manifest = wrong.manifest()
    with pytest.raises(pydantic.ValidationError) as caught:
        MODELS[manifest["kind"]].model_validate(manifest)
    assert (wrong.python_says or wrong.says) in str(caught.value)
