"""What an objective needs beside pixels is asked of data and storage before the first step."""

from __future__ import annotations

import pytest
from webssl_trainer.data.index_table import TableIndex
from webssl_trainer.data.samples import Part, ShardSample
from webssl_trainer.data.shards import Shard
from webssl_trainer.errors import UserError
from webssl_trainer.loop.needs import check_members, read_files
from webssl_trainer.objectives.interface import Needs
from webssl_trainer.storage import open_storage

NEEDS = Needs({"txt": "spec.objective.clip.captionExtension"})


def index(captioned: int, samples: int = 100) -> TableIndex:
    """An index of `samples` images, the last of which have captions; all have a class."""
    found = [
        ShardSample(
            str(n),
            Part("png", 100 * n, 50),
            (Part("cls", 100 * n + 60, 1),)
            + ((Part("txt", 100 * n + 70, 9),) if n >= samples - captioned else ()),
        )
        for n in range(samples)
    ]
    return TableIndex.of([Shard("s3://b/0.tar", 100 * samples)], [found])


@pytest.mark.parametrize("captioned", [100, 96, 95])
def test_as_many_samples_may_lack_a_caption_as_may_be_broken(captioned: int) -> None:
    check_members(index(captioned), NEEDS, 0.05)


@pytest.mark.parametrize(
    ("captioned", "found"), [(0, "none of 100 samples has"), (94, "only 94 of 100 samples have")]
)
def test_more_end_the_run_with_field_value_shard_and_mend(captioned: int, found: str) -> None:
    with pytest.raises(
        UserError, match=rf"captionExtension 'txt': {found} .*s3://b/0.tar\); set spec.objective"
    ):
        check_members(index(captioned), NEEDS, 0.05)


def test_an_objective_that_needs_nothing_takes_any_data() -> None:
    check_members(index(0), Needs(), 0.0)


def test_files_are_read_by_url_and_a_missing_one_is_named() -> None:
    storage = open_storage()
    storage.put("memory:///needs/a.json", b"{}")
    assert read_files(storage, Needs(files=("memory:///needs/a.json",))) == {"memory:///needs/a.json": b"{}"}
    with pytest.raises(UserError, match=r"memory:///needs/b\.json, named in spec.objective, does not exist"):
        read_files(storage, Needs(files=("memory:///needs/b.json",)))
