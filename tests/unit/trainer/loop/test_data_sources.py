"""A run over a filtered source mixed with another: it sees what was chosen, and a resumed attempt keeps to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from webssl_api import exit_codes
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import read_run, trainer_config
from webssl_trainer.data import MixtureOrder
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.session import open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop
from webssl_trainer.storage import open_storage

from tests.unit.trainer.loop.conftest import LocalRun

ALONE = Processes(torch.device("cpu"), None, Peers(), Peers())
CHOSEN = [f"000-{number:03d}" for number in (1, 4, 9)]


def write(table: Path, keys: list[str]) -> None:
    pq.write_table(pa.table({"key": keys, "text_area": [0.5] * len(keys)}), table)


def test_a_filtered_mixture_trains_on_the_chosen_samples_and_resumes_after_its_table_has_changed(
    local_run_factory: Callable[..., LocalRun], image_shards: Path, tmp_path: Path
) -> None:
    table = tmp_path / "scores.parquet"
    write(table, CHOSEN)
    data = {
        "source": f"file://{image_shards}/000.tar", "seed": 3, "loaderThreads": 0, "weight": 1.0,
        "filter": {"table": table.as_uri(), "where": "text_area > 0.2", "maxUnmatchedFraction": 1.0},
        "mix": [{"source": f"file://{image_shards}/002.tar", "weight": 1.0}],
    }  # fmt: skip
    run = local_run_factory("filtered", steps=5, data=data)
    config = trainer_config(read_run(run.run_file))
    session = open_session(config, ALONE, open_storage(), Seen())
    assert (
        TrainingLoop(session, Narrator(session, 1, None, None, None), StopRequest()).run()
        == exit_codes.COMPLETE
    )
    keys = [name.rpartition("/")[2] for record in run.steps() for name in record["ids"]]
    assert {key for key in keys if key.startswith("000")} <= set(CHOSEN)
    assert 8 <= sum(key.startswith("002") for key in keys) <= 32
    write(table, CHOSEN[:1])
    again = open_session(config, ALONE, open_storage(), Seen())
    assert again.step == 5
    assert again.data.digest == session.data.digest
    assert isinstance(again.data.order, MixtureOrder)
    assert again.data.order == session.data.order
    assert len(again.index) == 3 + 20


def test_neighbours_of_a_manifest_follow_each_other_and_stay_so_when_it_resumes(
    local_run_factory: Callable[..., LocalRun], image_shards: Path
) -> None:
    data = {"source": f"file://{image_shards}/*.tar", "seed": 3, "loaderThreads": 1, "neighbours": 4}
    run = local_run_factory("neighbours", steps=5, data=data)
    config = trainer_config(read_run(run.run_file))
    session = open_session(config, ALONE, open_storage(), Seen())
    assert session.data.order.neighbours == 4
    assert (
        TrainingLoop(session, Narrator(session, 1, None, None, None), StopRequest()).run()
        == exit_codes.COMPLETE
    )
    names = [name for record in run.steps() for name in record["ids"]]
    number = {ref.sample_id: at for at, ref in enumerate(session.index.locate_all(range(len(session.index))))}
    first_epoch = np.array([number[name] for name in names[: len(number) // 4 * 4]]).reshape(-1, 4)
    assert np.array_equal(first_epoch, (first_epoch[:, :1] + np.arange(4)) % len(number))
    again = open_session(config, ALONE, open_storage(), Seen())
    assert (again.step, again.data.digest, again.data.order) == (5, session.data.digest, session.data.order)
