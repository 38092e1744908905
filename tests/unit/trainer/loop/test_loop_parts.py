"""Exit codes, pace, flops, the progress file, the step log's digest."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from webssl_api import exit_codes
from webssl_trainer.checkpoint.claims import FencedError
from webssl_trainer.checkpoint.identity import check_same, identity_of, index_digest, to_bytes
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.steplog import digest_text, tally
from webssl_trainer.data import CropSpec
from webssl_trainer.errors import UserError
from webssl_trainer.loop.exits import CRASH, exit_code_of
from webssl_trainer.loop.guard import DivergedError
from webssl_trainer.loop.pace import Pace
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.progress_file import read_progress, write_progress
from webssl_trainer.model import Compute, vit_config
from webssl_trainer.objectives.dino import DinoConfig
from webssl_trainer.observe.flops import peak_flops
from webssl_trainer.storage import StorageNotFoundError, StorageUnavailableError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("x"), exit_codes.USER_ERROR),
        (StorageNotFoundError("x"), exit_codes.USER_ERROR),
        (StorageUnavailableError("x"), exit_codes.RETRY),
        (FencedError("x"), exit_codes.RETRY),
        (DivergedError("x"), exit_codes.RETRY),
        (RuntimeError("[gloo/transport/tcp/pair.cc:545] Connection closed by peer"), exit_codes.RETRY),
        (RuntimeError("NCCL error: remote process exited"), exit_codes.RETRY),
        (RuntimeError("shape mismatch"), CRASH),
        (MemoryError(), CRASH),
    ],
)
def test_errors_end_in_the_code_that_says_who_can_mend_them(error: Exception, code: int) -> None:
    assert exit_code_of(error) == code


def test_pace_is_over_the_last_steps_only() -> None:
    pace = Pace(window=2)
    assert pace.images_per_second is None
    for seconds in (100.0, 1.0, 3.0):
        pace.add(seconds, 8)
    assert pace.images_per_second == pytest.approx(4.0)


def test_progress_survives_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    assert read_progress(path) == (0, 0)
    write_progress(path, 3, 17)
    assert read_progress(path) == (3, 17)
    path.write_text("half")
    assert read_progress(path) == (0, 0)


@given(ids=st.lists(st.text(max_size=8), min_size=1, max_size=24), cuts=st.sets(st.integers(0, 24)))
def test_the_digest_of_a_step_does_not_depend_on_how_positions_were_dealt(
    ids: list[str], cuts: set[int]
) -> None:
    positions = list(range(100, 100 + len(ids)))
    whole = digest_text(*tally(positions, ids))
    edges = [0, *sorted(cut for cut in cuts if cut < len(ids)), len(ids)]
    parts = [tally(positions[a:b], ids[a:b]) for a, b in itertools.pairwise(edges)]
    assert digest_text(sum(part[0] for part in parts), sum(part[1] for part in parts)) == whole
    other = [*ids[:-1], ids[-1] + "x"]
    assert digest_text(*tally(positions, other)) != whole


def test_flops_of_the_papers_1b_model_are_near_two_per_parameter_and_token() -> None:
    vit = vit_config("1B")
    globals_only = CropSpec(n_local=0)
    tokens = 2 * 257
    flops = DinoConfig().sample_flops(vit, globals_only)
    assert flops / (4 * 2 * 1.13e9 * tokens) == pytest.approx(1.0, abs=0.05)
    assert peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_flops("") == 0.0


def test_how_a_run_computes_reaches_its_networks_and_float8_is_refused_where_it_does_not_exist() -> None:
    processes = Processes(torch.device("cpu"), None, Peers(), Peers())
    asked = Compute(compile=None, recompute="selective")
    assert processes.parallel(False, asked).compute == Compute(compile=False, recompute="selective")
    with pytest.raises(UserError, match=r"spec\.compute\.float8 true needs .* set it to false"):
        processes.parallel(False, Compute(float8=True))


def test_a_checkpoint_of_another_run_is_refused_by_field_old_and_new_value() -> None:
    from webssl_api.run import WebSSLRunSpec

    raw = {
        "model": {"size": "tiny", "patchSize": 14},
        "objective": {"dino": {}},
        "data": {"source": "s3://bucket/a.tar"},
        "schedule": {"stages": [{"resolution": 56, "samples": 640}], "globalBatchSize": 64},
        "workers": {"max": 1},
        "checkpoint": {"uri": "s3://bucket/run", "interval": {"samples": 64}},
    }
    identity = identity_of(WebSSLRunSpec.model_validate(raw))
    stored = to_bytes({**identity, "dataIndex": "abc"})
    check_same(stored, identity, "here")
    assert index_digest(stored) == "abc"
    raw["schedule"]["stages"][0]["resolution"] = 84  # type: ignore[index]
    changed = identity_of(WebSSLRunSpec.model_validate(raw))
    with pytest.raises(UserError, match=r"spec\.schedule\.stages\[0\]\.resolution is 84, but .* with 56"):
        check_same(stored, changed, "here")
    raw["schedule"]["stages"][0]["resolution"] = 56  # type: ignore[index]
    raw["schedule"]["microBatchSize"] = 16  # type: ignore[index]
    check_same(stored, identity_of(WebSSLRunSpec.model_validate(raw)), "here")
