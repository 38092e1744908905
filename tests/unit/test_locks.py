"""The committed locks hold what the members ask for, and say nothing of where it was fetched from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
IMAGES = {
    "operator": ["crds", "operator"],
    "trainer": ["crds", "trainer_image"],
    "eval": ["crds", "trainer_image", "eval"],
}
MEMBERS = ["crds", "operator", "trainer_image", "eval", "cli", "localcluster", "helm"]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    return {canonicalize_name(package): version for package, version in _PIN.findall(text)}


def _asked(member: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    return [r for r in map(Requirement, project["dependencies"]) if not r.name.startswith("webssl-")]


@pytest.mark.parametrize(("lock", "members"), [*IMAGES.items(), ("dev", MEMBERS)])
def test_the_lock_holds_what_its_members_ask_for(lock: str, members: list[str]) -> None:
    locked = _locked(lock)
    missing = [
        str(requirement)
        for member in members
        for requirement in _asked(member)
        if not requirement.specifier.contains(
            locked.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]
    assert missing == [], "run `make lock`"


@pytest.mark.parametrize("path", sorted((ROOT / "locks").glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_pins_by_hash_and_names_no_host(path: Path) -> None:
    text = path.read_text()
    assert "--hash=sha256:" in text
    assert not re.search(r"https?://|--index-url|--find-links", text)


def test_the_operator_image_carries_no_torch() -> None:
    assert not {"torch", "transformers", "numpy"} & set(_locked("operator"))


def test_the_trainer_s_lock_is_part_of_the_evaluation_s() -> None:
    assert _locked("trainer").items() <= _locked("eval").items()
