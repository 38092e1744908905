"""What the API server refuses, our own parser refuses too, naming the same field; see also tests/contract."""

from __future__ import annotations

import pydantic
import pytest
from webssl_api import WebSSLRun

from tests.manifests.valid import valid_run
from tests.manifests.wrong import CREATE, Wrong


def test_the_valid_run_is_taken() -> None:
    run = WebSSLRun.parse(valid_run())
    assert run.spec.schedule.total_steps == 10
    assert run.spec.allowed_worker_counts() == [1, 2]


@pytest.mark.parametrize("wrong", CREATE, ids=lambda wrong: wrong.name)
def test_a_wrong_manifest_is_refused_with_the_mend(wrong: Wrong) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        WebSSLRun.parse(wrong.manifest())
    assert (wrong.python_says or wrong.says) in str(caught.value)
