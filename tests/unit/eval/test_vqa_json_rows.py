"""Rows of JSON, read as a stream: an array or lines, wherever the file is cut."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_eval.suites.vqa import json_rows as rows_of_json
from webssl_eval.suites.vqa.json_rows import json_rows
from webssl_eval.suites.vqa.training_set import Source, write_set
from webssl_trainer.errors import UserError

from tests.unit.eval.dialogues import said

values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(values, max_size=5), st.booleans(), st.integers(1, 9), st.sampled_from([None, 1]))
def test_an_array_and_lines_give_the_same_rows_wherever_the_file_is_cut(found, lines, chunk, indent):
    if lines:
        text = "".join(json.dumps(value, ensure_ascii=False, indent=indent) + "\n" for value in found)
    else:
        text = json.dumps(found, ensure_ascii=False, indent=indent)
    if lines and found and isinstance(found[0], list):
        return  # a first line that is an array is the array of rows
    before = rows_of_json._CHUNK
    rows_of_json._CHUNK = chunk
    try:
        assert list(json_rows(io.BytesIO(text.encode()), "x.json")) == found
    finally:
        rows_of_json._CHUNK = before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b'[{"a": 1}, {"a": ',
            r"x\.json, row 2: no JSON .*write a JSON array of rows, or one JSON object a line",
        ),
        (b'[{"a": 1}', r"x\.json, row 1: the array does not end: the file is cut off"),
        (b'{"a": 1}\n{"a" 2}', r"x\.json, row 2: no JSON"),
        (b'{"a": "\xff"}', r"x\.json, row 1: no UTF-8"),
    ],
)
def test_what_is_no_json_is_refused_with_its_row(data, message):
    with pytest.raises(UserError, match=message):
        list(json_rows(io.BytesIO(data), "x.json"))


def test_memory_grows_by_a_few_numbers_a_row(storage, tmp_path, monkeypatch):
    monkeypatch.setattr(rows_of_json, "_CHUNK", 1 << 16)

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.json"
        with path.open("w") as file:
            file.write("[")
            for number in range(count):
                row = {"conversations": said("what is it?", f"number {number} " + "x" * 400)}
                file.write(("," if number else "") + json.dumps(row))
            file.write("]")
        tracemalloc.start()
        write_set(storage, Source(path.as_uri()), tmp_path / f"set-{count}")[0].close()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    rows = 6000
    more = peak(rows) - peak(1000)
    assert more / (rows - 1000) < 250  # bytes a row; the rows have about 500
