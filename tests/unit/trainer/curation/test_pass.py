"""From shards on disk to the table, and from the table to exactly the samples that a condition names."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from webssl_trainer.curation.counting import Count
from webssl_trainer.curation.engine_threads import score_shards
from webssl_trainer.curation.finish import Finished, finish
from webssl_trainer.curation.parts import Parts
from webssl_trainer.curation.ranges import shards_of
from webssl_trainer.curation.table import read_manifest
from webssl_trainer.data import Filter, Source, load_data, prepare_data
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.data.store_find import default_folder
from webssl_trainer.data.store_make import make_store
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from .conftest import Shards, file_of, mixed, opened, photo, score_all, spec_of


def curated(storage: Storage, source: str, tmp_path: Path, files_of: int = 1 << 20, **spec: Any) -> Finished:
    """A whole pass over a source."""
    asked = spec_of(source, f"file://{tmp_path}/scores", max_bad_share=1.0, **spec)
    parts = opened(storage, asked, tmp_path)
    score_all(parts)
    return finish(parts, asked, tmp_path, file_rows=files_of)


def counting(parts: Parts) -> Count:
    """A count that nobody watches."""
    return Count(len(parts.index.shards), len(parts.index))


def rows_of(made: Finished) -> pa.Table:
    """The table as any reader of Parquet folders sees it."""
    return pq.read_table(made.uri.removeprefix("file://"))


def chosen(storage: Storage, source: str, made: Finished, where: str, tmp_path: Path) -> list[str]:
    """Keys of the samples that a run with this filter sees."""
    folder = f"file://{tmp_path}/run"
    digest = prepare_data(
        storage, [Source(source, filter=Filter(made.uri, where, max_unmatched=0.0))], folder
    )
    index = load_data(storage, folder, digest, seed=0).index
    return [ref.key for ref in index.locate_all(range(len(index)))]


@pytest.mark.parametrize("stored", [False, True])
def test_a_filter_by_the_table_sees_exactly_the_samples_of_its_condition(
    storage: Storage, shards: Shards, tmp_path: Path, stored: bool
) -> None:
    source = shards(mixed())
    if stored:
        make_store(storage, source, default_folder(source))
    made = curated(storage, source, tmp_path)

    def keys(where: str) -> list[str]:
        return chosen(storage, source, made, where, tmp_path)

    assert keys("text_class in (light, heavy)") == ["page-a", "page-b", "line-a", "line-b"]
    assert keys("text_class = heavy") == ["page-a", "page-b"]
    assert keys("text_boxes = 1") == ["line-a", "line-b"]
    assert keys("text_area = 0 and width = 160 and blank < 0.5") == [f"photo-{number}" for number in range(4)]


def test_each_sample_has_one_row_and_a_broken_one_names_its_cause(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    files = mixed()
    files["photo-0"], files["line-a"] = b"", file_of(photo(9))[:200]
    made = curated(storage, shards(files), tmp_path)
    table = rows_of(made).to_pylist()
    assert [row["key"] for row in table] == list(files)
    assert {row["key"]: row["error"] for row in table if row["error"]} == {
        "photo-0": "empty",
        "line-a": "not-decoded",
    }
    broken = next(row for row in table if row["key"] == "line-a")
    scores = set(broken) - {"shard", "key", "error", "error_reason"}
    assert broken["error_reason"]
    assert all(broken[name] is None for name in scores)
    assert made.manifest.failures == {"empty": 1, "not-decoded": 1}


def test_duplicates_are_of_the_first_in_the_order_of_the_index(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    picture = photo(7, 300)
    files = mixed() | {
        "x-original": file_of(picture),
        "x-same": file_of(picture),
        "x-webp": file_of(picture, "WEBP", lossless=True),
        "x-small": file_of(picture.resize((150, 112), Image.Resampling.LANCZOS), "JPEG", quality=80),
    }
    source = shards(files)
    made = curated(storage, source, tmp_path)
    found = {row["key"]: (row["duplicate_of"], row["duplicate_kind"]) for row in rows_of(made).to_pylist()}
    original = next(name for name, _ in found.values() if name)
    assert original.endswith(".tar/x-original")
    assert {key: kind for key, (_, kind) in found.items() if kind} == {
        "x-same": "bytes",
        "x-webp": "pixels",
        "x-small": "near",
    }
    assert made.manifest.duplicates == {"bytes": 1, "pixels": 1, "near": 1, "pairs_not_compared": 0}
    assert chosen(storage, source, made, "duplicate_of is null", tmp_path) == list(files)[:-3]


def test_a_pass_that_was_stopped_scores_only_what_has_no_part_yet(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    source = shards(mixed())
    spec = spec_of(source, f"file://{tmp_path}/scores")
    parts = opened(storage, spec, tmp_path)
    with pytest.raises(UserError, match="3 of 3 shards are not scored"):
        finish(parts, spec, tmp_path)
    assert score_shards(parts, [1], 1, 10**8, 1.0, counting(parts))
    with pytest.raises(UserError, match=r"2 of 3 shards are not scored, the first is .*000000\.tar"):
        finish(parts, spec, tmp_path)
    assert not score_shards(parts, range(3), 1, 10**8, 1.0, counting(parts), stop=lambda: True)

    before = {info.url: info.version for info in storage.list_objects(parts.folder)}
    count = score_all(opened(storage, spec, tmp_path))
    after = {info.url: info.version for info in storage.list_objects(parts.folder)}
    assert (count.done, count.rows, len(after)) == (3, 8, 3)
    assert before.items() <= after.items()


def test_ranges_make_the_very_table_that_one_pass_makes(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    source = shards(mixed())
    whole = curated(storage, source, tmp_path)
    spec = spec_of(source, f"file://{tmp_path}/by-range", max_bad_share=1.0)
    for number in (2, 0, 1):
        parts = opened(storage, spec, tmp_path)
        mine = shards_of(parts.index.shard_counts, number, 3)
        assert score_shards(parts, mine, 2, 10**8, 1.0, counting(parts))
    cut = finish(opened(storage, spec, tmp_path), spec, tmp_path)
    assert cut.manifest == whole.manifest
    assert cut.manifest.digest == whole.manifest.digest


def test_finishing_again_finds_the_table_and_changes_nothing(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    source = shards(mixed())
    first = curated(storage, source, tmp_path)
    before = {info.url: info.version for info in storage.list_objects(first.uri)}
    second = curated(storage, source, tmp_path)
    assert second.known
    assert (second.uri, second.manifest) == (first.uri, first.manifest)
    assert {info.url: info.version for info in storage.list_objects(first.uri)} == before
    assert read_manifest(storage, f"file://{tmp_path}/scores") == first.manifest


def test_a_changed_shard_or_other_settings_are_scored_anew_into_another_table(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    source = shards(mixed())
    first = curated(storage, source, tmp_path)
    other = curated(storage, source, tmp_path, scorers={"text": {"side": 96}})
    assert "sharpness" not in rows_of(other).column_names
    changed = curated(storage, shards(mixed() | {"photo-3": file_of(photo(33, 200))}), tmp_path)
    assert len({made.uri for made in (first, other, changed)}) == 3
    assert rows_of(first)["width"].to_pylist()[-1] == 160
    assert rows_of(changed)["width"].to_pylist()[-1] == 200


def test_a_shard_that_was_gone_is_scored_again_when_it_is_back(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    source = shards(mixed())
    make_store(storage, source, default_folder(source))
    spec = spec_of(source, f"file://{tmp_path}/scores", max_bad_share=1.0)
    gone = next(iter(sorted((tmp_path / "shards").glob("*.tar"))))
    kept = gone.read_bytes()
    gone.unlink()
    parts = opened(storage, spec, tmp_path)
    assert score_all(parts).failures == {"missing-shard": 3}
    lost = finish(parts, spec, tmp_path)
    assert rows_of(lost)["error"].to_pylist()[:3] == ["missing-shard"] * 3
    gone.write_bytes(kept)
    assert score_all(parts).failures == {}
    assert finish(parts, spec, tmp_path).uri != lost.uri


def test_too_many_bad_samples_end_the_pass_with_their_causes(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    spec = spec_of(
        shards({f"{number:02d}": b"" for number in range(12)} | mixed()), f"file://{tmp_path}/scores"
    )
    parts = opened(storage, spec, tmp_path)
    with pytest.raises(
        UserError, match=r"12 of 20 samples .* \(12 empty\), more than spec.maxBadShare 0.5 allows"
    ):
        score_shards(parts, range(len(parts.index.shards)), 1, 10**8, 0.5, counting(parts))


def test_files_of_a_table_are_closed_at_a_number_of_rows_and_say_their_thresholds(
    storage: Storage, shards: Shards, tmp_path: Path
) -> None:
    made = curated(storage, shards(mixed()), tmp_path, files_of=4)
    assert [item.rows for item in made.manifest.files] == [6, 2]
    first = storage.read(f"{made.uri}/part-00000.parquet")
    meta = json.loads(pq.read_schema(io.BytesIO(first)).metadata[b"webssl.curation"])
    assert meta["thresholds"] == made.manifest.thresholds
    assert meta["scorers"]["text"]["side"] == 448


def test_rows_of_a_large_shard_are_in_the_order_of_its_samples(storage: Storage, tmp_path: Path) -> None:
    sizes = [20 + number % 37 for number in range(150)]
    items = [
        PackItem(f"{n:04d}", file_of(Image.new("RGB", (size, 20))), "png") for n, size in enumerate(sizes)
    ]
    pack(items, storage, f"file://{tmp_path}/large", 1000)
    made = curated(storage, f"file://{tmp_path}/large/*.tar", tmp_path, scorers={"quality": {}})
    table = rows_of(made)
    assert table["key"].to_pylist() == [item.key for item in items]
    assert table["width"].to_pylist() == sizes
