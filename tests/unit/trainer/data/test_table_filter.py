"""Filters: the samples whose row in a table passes a condition, and what is said about wrong tables."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather
from webssl_trainer.data import Filter, SelectedIndex, Selection, load_or_build_index, select
from webssl_trainer.data.index import DataIndex
from webssl_trainer.data.key_hash import hash_texts
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

MakeSet = Callable[..., str]
Columns = dict[str, list[Any]]
COUNT = 40


@pytest.fixture(scope="module")
def index(storage: Storage, make_set: MakeSet) -> DataIndex:
    return load_or_build_index(storage, f"{make_set(COUNT)}/*.tar")


def scores(**more: list[Any]) -> Columns:
    """A row for each sample; every third is light, every eighth heavy."""
    kinds = ["heavy" if at % 8 == 0 else "light" if at % 3 == 0 else "none" for at in range(COUNT)]
    return {
        "shard": [f"{at // 16:06d}.tar" for at in range(COUNT)],
        "key": [f"{at:05d}" for at in range(COUNT)],
        "text_class": kinds,
        "text_area": [at / COUNT for at in range(COUNT)],
        "boxes": [None if at % 5 == 0 else at for at in range(COUNT)],
        "square": [at % 2 == 0 for at in range(COUNT)],
        **more,
    }


def written(storage: Storage, columns: Columns | pa.Table, name: str = "scores.parquet") -> str:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    sink = pa.BufferOutputStream()
    if name.endswith(".parquet"):
        pq.write_table(table, sink, row_group_size=7)
    else:
        feather.write_feather(table, sink)
    url = f"memory:///{uuid.uuid4().hex}/{name}"
    storage.put(url, sink.getvalue().to_pybytes())
    return url


def chosen(
    storage: Storage, index: DataIndex, table: str, where: str | None, most: float = 0.05
) -> list[int]:
    selection = select(storage, index, Filter(table, where, most))
    return selection.numbers_at(np.arange(len(selection))).tolist()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("text_class in (light, heavy)", lambda at: at % 8 == 0 or at % 3 == 0),
        ("text_class = 'light' and text_area > 0.2", lambda at: at % 3 == 0 and at % 8 and at > 8),
        ("not square", lambda at: at % 2),
        ("boxes is null", lambda at: at % 5 == 0),
        ("boxes != 7", lambda at: at % 5 and at != 7),
        ("boxes not in (7, 8)", lambda at: at % 5 and at not in {7, 8}),
        ("boxes between 3 and 9 or text_area >= 0.9", lambda at: (3 <= at <= 9 and at % 5) or at >= 36),
        (None, lambda _: True),
    ],
)
@pytest.mark.parametrize("name", ["scores.parquet", "scores.arrow"])
def test_the_samples_whose_rows_pass_are_chosen(
    storage: Storage, index: DataIndex, where: str | None, expected: Callable[[int], bool], name: str
) -> None:
    table = written(storage, scores(), name)
    assert chosen(storage, index, table, where) == [at for at in range(COUNT) if expected(at)]


@pytest.mark.parametrize("named", ["id", "key", "url", "dictionary", "shuffled"])
def test_rows_find_their_samples_by_any_of_the_key_columns_in_any_order(
    storage: Storage, index: DataIndex, named: str
) -> None:
    columns = scores()
    if named == "id":
        columns["sample_id"] = [
            f"{s}/{k}" for s, k in zip(columns.pop("shard"), columns.pop("key"), strict=True)
        ]
    if named == "key":
        del columns["shard"]
    if named == "url":
        columns["shard"] = [index.shards[at // 16] for at in range(COUNT)]
    table = pa.table(columns)
    if named == "dictionary":
        table = table.set_column(2, "text_class", table["text_class"].dictionary_encode())
    if named == "shuffled":
        table = table.take(np.random.default_rng(0).permutation(COUNT))
    found = chosen(storage, index, written(storage, table), "text_class = heavy")
    assert found == [0, 8, 16, 24, 32]


def test_a_folder_and_a_glob_of_files_are_one_table(storage: Storage, index: DataIndex) -> None:
    base = f"memory:///{uuid.uuid4().hex}"
    for part in range(4):
        rows = {name: column[part * 10 : part * 10 + 10] for name, column in scores().items()}
        storage.put(f"{base}/part-{part}.parquet", storage.read(written(storage, rows)))
    for table in (base, f"{base}/part-*.parquet"):
        assert chosen(storage, index, table, "text_class = heavy") == [0, 8, 16, 24, 32]


def test_the_selected_index_answers_for_the_chosen_samples_only(storage: Storage, index: DataIndex) -> None:
    selected = SelectedIndex(
        index, select(storage, index, Filter(written(storage, scores()), "text_class = heavy"))
    )
    assert len(selected) == 5
    assert [ref.key for ref in selected.locate_all(range(5))] == ["00000", "00008", "00016", "00024", "00032"]
    assert selected.locate(3) == index.locate(24)
    assert selected.shard_counts.tolist() == [2, 2, 1]
    assert [selected.keys_of(at).to_pylist() for at in range(3)] == [
        ["00000", "00008"],
        ["00016", "00024"],
        ["00032"],
    ]
    assert selected.digest != index.digest
    with pytest.raises(ValueError, match="is not one of an index of 40"):
        SelectedIndex(index, Selection.of(3, []))


def test_repeated_rows_choose_a_sample_once_and_what_was_met_is_counted(
    storage: Storage, index: DataIndex
) -> None:
    columns = {name: [*column, *column[:8]] for name, column in scores().items()}
    columns["key"][1] = "gone"
    selection = select(storage, index, Filter(written(storage, columns), "square or key = 'gone'", 0.1))
    assert len(selection) == 20
    assert selection.facts == {
        "rows": 48, "chosen_rows": 25, "unmatched_rows": 1, "samples": 40, "chosen": 20, "without_row": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("text_clas = light", r"names column 'text_clas'.*did you mean text_class"),
        ("zzz = 1", r"names column 'zzz'.*the table has shard, key, text_class"),
        ("text_class = 3", r"column 'text_class', which holds string, with 3; write text_class = '3'"),
        ("text_area = light", r"column 'text_area', which holds double, with 'light'"),
        ("boxes", r"column 'boxes', which holds int64, with true"),
        ("text_area >", r"spec\.data\.filter\.where: at the end"),
        ("text_area > 7", r"leaves no sample.*none of its 40 rows passes"),
    ],
)
def test_a_condition_that_does_not_fit_is_answered_with_the_column_and_the_mend(
    storage: Storage, index: DataIndex, where: str, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        select(storage, index, Filter(written(storage, scores()), where))


def test_tables_of_other_data_and_tables_with_holes_are_refused_above_a_share(
    storage: Storage, index: DataIndex
) -> None:
    foreign = written(storage, scores(key=[f"{at:05d}" if at % 4 else f"x{at}" for at in range(COUNT)]))
    with pytest.raises(UserError, match=r"10 of 40 chosen rows .* are about no sample"):
        select(storage, index, Filter(foreign))
    assert len(select(storage, index, Filter(foreign, None, 0.3))) == 30
    holed = written(storage, {name: column[:30] for name, column in scores().items()})
    with pytest.raises(UserError, match=r"10 of 40 samples .* have no row"):
        select(storage, index, Filter(holed, "text_area >= 0"))
    assert chosen(storage, index, holed, None) == list(range(30))
    elsewhere = written(storage, scores(shard=["other.tar"] * COUNT))
    with pytest.raises(UserError, match=r"leaves no sample.*no row is about a sample of it"):
        select(storage, index, Filter(elsewhere))


def test_what_is_no_table_of_keys_is_refused(storage: Storage, index: DataIndex) -> None:
    for table, says in [
        (f"memory:///{uuid.uuid4().hex}/a.parquet", "does not exist"),
        (f"memory:///{uuid.uuid4().hex}/", "names no file that ends in .parquet"),
        (written(storage, {"name": ["a"]}), "none of which says which sample"),
    ]:
        with pytest.raises(UserError, match=says):
            select(storage, index, Filter(table))


@given(st.lists(st.text(max_size=30), max_size=30))
def test_hashes_are_equal_for_equal_texts_only_wherever_they_stand(texts: list[str]) -> None:
    whole = hash_texts(pa.array(texts, pa.string()))
    for start in range(len(texts)):
        assert hash_texts(pa.array(texts, pa.large_string())[start:]).tolist() == whole[start:].tolist()
    assert len(set(whole.tolist())) == len(set(texts))
