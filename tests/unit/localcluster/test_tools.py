"""The table of programs and the pure parts of their installation."""

from __future__ import annotations

from pathlib import Path

import pytest
from webssl_localcluster.errors import ClusterError
from webssl_localcluster.progress import Reporter
from webssl_localcluster.tools import apt, go
from webssl_localcluster.tools.install import Toolbox, _Staged, cache_folder, fits, version_in
from webssl_localcluster.tools.table import APT, KUBERNETES, TOOLS, GoModule


def test_all_parts_of_kubernetes_are_of_one_version_and_say_so() -> None:
    parts = [
        tool for tool in TOOLS.values() if tool.name.startswith("kube") and isinstance(tool.source, GoModule)
    ]
    kubernetes = [tool for tool in parts if tool.source.staged]  # type: ignore[union-attr]
    assert {tool.version for tool in kubernetes} == {KUBERNETES}
    assert len(kubernetes) == 5
    assert all(f"gitVersion=v{KUBERNETES}" in tool.source.ldflags for tool in kubernetes)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("Kubernetes v1.35.4", "1.35.4"),
        ("etcd Version: 3.5.1\nGit SHA: x", "3.5.1"),
        ("version 8000GB 4.48 pypi linux amd64", "4.48"),
        ("nothing", ""),
    ],
)
def test_versions_are_read_from_what_programs_print(output: str, version: str) -> None:
    assert version_in(output) == version


@pytest.mark.parametrize(
    ("version", "used"), [("1.35.0", True), ("1.35", True), ("1.34.9", False), ("1.350.1", False)]
)
def test_a_program_on_path_is_used_only_when_its_version_fits(version: str, used: bool) -> None:
    assert fits(TOOLS["kubelet"], version) == used


def test_only_staging_folders_are_replaced_by_published_modules() -> None:
    go_mod: dict[str, object] = {
        "Replace": [
            {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
            {"Old": {"Path": "example.com/fork"}, "New": {"Path": "example.com/other", "Version": "v1.0.0"}},
        ]
    }
    assert go.staging_replacements(go_mod, "1.35.4") == {"k8s.io/api": "v0.35.4"}


def test_the_generated_module_requires_and_replaces() -> None:
    text = go.render_go_mod("k8s.io/kubernetes", "1.35.4", {"k8s.io/api": "v0.35.4"})
    assert "require k8s.io/kubernetes v1.35.4" in text
    assert "k8s.io/api => k8s.io/api v0.35.4" in text


@pytest.mark.parametrize(
    ("line", "enough"), [("go version go1.27.3 linux/amd64", True), ("go version go1.19", False)]
)
def test_an_old_go_is_not_used(line: str, enough: bool) -> None:
    assert go.new_enough(line) == enough


def test_a_missing_debian_package_is_named_once_however_many_programs_it_has() -> None:
    assert apt.missing_packages(APT, locate=lambda entry: None).count("prometheus") == 1
    assert apt.missing_packages(APT, locate=lambda entry: Path("/x")) == []


def test_the_cache_follows_the_xdg_variable() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/webssl/tools")


def test_a_cached_program_is_used_without_asking_any_registry(tmp_path: Path) -> None:
    tool = TOOLS["kwok"]
    program = tmp_path / f"{tool.name}-{tool.version}" / tool.name
    program.parent.mkdir()
    program.touch()
    assert Toolbox(Reporter(), tmp_path, path="/nowhere").ensure(["kwok"]) == {"kwok": program}


def _install_half(final: Path) -> None:
    with _Staged(final) as folder:
        (folder / "half").touch()
        raise ClusterError("broken", "none")


def test_a_program_whose_installation_fails_takes_no_place_in_the_cache(tmp_path: Path) -> None:
    with pytest.raises(ClusterError):
        _install_half(tmp_path / "tool-1")
    assert list(tmp_path.iterdir()) == []
