"""What images are made of, and what a node's importer gets."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from webssl_localcluster.errors import ClusterError
from webssl_localcluster.images import inputs, load, store
from webssl_localcluster.images.build import settings_toml

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for source in {name for names in inputs.SOURCES.values() for name in names}:
        path = tmp_path / source
        if Path(source).suffix == ".txt" or source in {"Dockerfile", ".dockerignore"}:
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        else:
            path.mkdir()
            (path / "module.py").write_text(source)
    return tmp_path


def _digests(root: Path) -> dict[str, str]:
    return {target: inputs.digest(root, target, ["base"]) for target in inputs.TARGETS}


@pytest.mark.parametrize(
    ("changed", "rebuilt"),
    [
        ("operator/module.py", {"operator"}),
        ("trainer_image/module.py", {"trainer", "eval"}),
        ("eval/module.py", {"eval"}),
        ("crds/module.py", {"operator", "trainer", "eval"}),
        ("locks/operator.txt", {"operator"}),
        ("Dockerfile", {"operator", "trainer", "eval"}),
    ],
)
def test_a_change_rebuilds_the_images_that_contain_it_and_no_other(
    checkout: Path, changed: str, rebuilt: set[str]
) -> None:
    before = _digests(checkout)
    (checkout / changed).write_text("changed")
    after = _digests(checkout)
    assert {target for target in inputs.TARGETS if before[target] != after[target]} == rebuilt


def test_caches_of_python_do_not_count(checkout: Path) -> None:
    before = _digests(checkout)
    cache = checkout / "operator" / "__pycache__"
    cache.mkdir()
    (cache / "module.cpython-311.pyc").write_bytes(b"x")
    assert _digests(checkout) == before


def test_everything_that_the_digest_is_over_exists_in_this_checkout() -> None:
    assert [name for names in inputs.SOURCES.values() for name in names if not (ROOT / name).exists()] == []


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no Dockerfile"):
        inputs.digest(tmp_path, "operator", [])


def test_chain_ids_are_those_of_the_oci_image_specification() -> None:
    one, two = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    chain = store.chain_ids([one, two])
    assert chain == [one, store.sha256(f"{one} {two}".encode())]


def test_the_importer_gets_manifest_and_configuration_and_no_layer() -> None:
    image = store.StoredImage("localhost/x:1", b'{"m": 1}', b'{"c": 1}', ())
    with tarfile.open(fileobj=io.BytesIO(load.archive(image))) as tar:
        names = set(tar.getnames())
        index = json.loads(tar.extractfile("index.json").read())  # type: ignore[union-attr]
    blobs = {
        f"blobs/sha256/{digest.partition(':')[2]}" for digest in (image.manifest_digest, image.config_digest)
    }
    assert names == {"oci-layout", "index.json", *blobs}
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "localhost/x:1"


@pytest.mark.parametrize(
    ("mount", "folder"),
    [
        ({"Type": "bind", "Source": "/s/1/fs", "Options": ["rw", "rbind"]}, "/s/1/fs"),
        (
            {
                "Type": "overlay",
                "Source": "overlay",
                "Options": ["index=off", "upperdir=/s/2/fs", "lowerdir=/s/1/fs"],
            },
            "/s/2/fs",
        ),
    ],
)
def test_a_layers_files_go_where_the_snapshot_takes_writes(mount: dict[str, object], folder: str) -> None:
    assert load.mounted_folder([mount]) == Path(folder)


def test_builds_use_the_index_that_this_machine_names() -> None:
    assert settings_toml({}) == "\n"
    assert 'url = "https://mirror.example/simple"' in settings_toml(
        {"UV_DEFAULT_INDEX": "https://mirror.example/simple"}
    )
