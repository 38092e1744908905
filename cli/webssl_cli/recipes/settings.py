"""`--set PATH=VALUE`: single fields of a spec from the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

from webssl_cli.errors import CliError
from webssl_cli.manifest.fields import is_open, knows, likely
from webssl_cli.manifest.positions import Path, documents, dotted

_STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)((?:\[[0-9]+\])*)")


@dataclass(frozen=True)
class Setting:
    """One `--set`: where below spec, what, and how it was written."""

    path: Path
    value: Any
    written: str


def read_setting(written: str) -> Setting:
    """Read `path=value`, a path below spec and YAML.

    Raises:
        CliError: it has another form, or there is no such field; the message names the nearest one.
    """
    field, equals, text = written.partition("=")
    if not equals:
        raise CliError(
            f"--set {written!r} sets nothing", "write PATH=VALUE, such as optimizer.learningRate=1e-4"
        )
    try:
        found = documents(text)
    except yaml.YAMLError as error:
        raise CliError(f"--set {written!r}: the value is not YAML", "quote it") from error
    return Setting(_path(field, written), found[0].content if found else None, written)


def with_settings(spec: Mapping[str, Any], settings: Sequence[Setting]) -> dict[str, Any]:
    """The spec with each setting put in place, later ones over earlier ones; null removes a field.

    Raises:
        CliError: an item of a list that is not there.
    """
    result = deepcopy(dict(spec))
    for one in settings:
        _put(result, one)
    return result


def _path(field: str, written: str) -> Path:
    path: Path = ("spec",)
    for step in field.strip().removeprefix("spec.").split("."):
        form = _STEP.fullmatch(step)
        if form is None or step == "recipe":
            raise CliError(
                f"--set {written!r}: {step!r} is no field's name",
                "write a path such as schedule.stages[0].samples",
            )
        path = (*path, form[1])
        if not knows(path) and not is_open(path[:-1]):
            raise CliError(f"--set {written!r}: {dotted(path)} is not a field", likely(path))
        path = (*path, *(int(number) for number in re.findall(r"[0-9]+", form[2])))
    return path[1:]


def _put(spec: dict[str, Any], one: Setting) -> None:
    node: Any = spec
    for depth, part in enumerate(one.path):
        _must_lead_on(node, part, dotted(("spec", *one.path[:depth])), one)
        if depth == len(one.path) - 1:
            break
        if isinstance(part, str) and not isinstance(node.get(part), dict | list):
            node[part] = [] if isinstance(one.path[depth + 1], int) else {}
        node = node[part]
    if isinstance(node, dict) and one.value is None:
        node.pop(part, None)
    else:
        node[part] = one.value


def _must_lead_on(node: Any, part: str | int, where: str, one: Setting) -> None:
    if isinstance(part, str) and isinstance(node, list):
        raise CliError(
            f"--set {one.written!r}: {where} is a list", f"write {where}[0].{part}, or set all of {where}"
        )
    if isinstance(part, int) and not isinstance(node, list):
        raise CliError(f"--set {one.written!r}: {where} is no list", f"leave [{part}] out")
    if isinstance(part, int) and part >= len(node):
        raise CliError(
            f"--set {one.written!r}: {where} has {len(node)} of them, none [{part}]",
            f"count from [0], or set all of {where}",
        )
