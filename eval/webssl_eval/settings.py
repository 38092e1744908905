"""What one evaluation process is asked to do, read from its environment."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from webssl_api import env as names
from webssl_api.evaluation import SuiteSpec
from webssl_api.resolved import ResolvedRun
from webssl_trainer.errors import UserError

from webssl_eval.merging.part import WHOLE, Part


@dataclass(frozen=True)
class Settings:
    """One suite on one checkpoint.

    Attributes:
        run: the run that the checkpoint is of.
        suite: the suite, one of the run's.
        checkpoint_uri: folder of the checkpoint.
        checkpoint_digest: digest that its manifest must have, or how it must begin.
        report: address of the report (`configmap://` or `file://`).
        scratch: folder for large temporary files and caches.
        part: which of the suite's questions are answered here.
    """

    run: ResolvedRun
    suite: SuiteSpec
    checkpoint_uri: str
    checkpoint_digest: str
    report: str
    scratch: Path
    part: Part = WHOLE


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings that the variables of `webssl_api.env` describe.

    Raises:
        UserError: a variable is missing, the run file is unreadable or malformed, or the run has no such suite.
    """
    path = Path(_required(environment, names.RUN_FILE))
    try:
        run = ResolvedRun.from_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{names.RUN_FILE}={path} cannot be read: {error.strerror}; mount the run's ConfigMap there"
        ) from error
    except (ValidationError, ValueError) as error:
        raise UserError(f"{names.RUN_FILE}={path} is no resolved run: {error}") from error
    return Settings(
        run=run,
        suite=suite_named(run, _required(environment, names.SUITE)),
        checkpoint_uri=_required(environment, names.CHECKPOINT_URI).rstrip("/"),
        checkpoint_digest=_stated(environment, names.CHECKPOINT_DIGEST),
        report=_required(environment, names.REPORT),
        scratch=scratch_of(environment),
        part=part_of(environment),
    )


def part_of(environment: Mapping[str, str]) -> Part:
    """The part that one pod of several answers; the whole where nothing is said.

    Raises:
        UserError: the variables are no part.
    """
    count, number = environment.get(names.PARTS) or "1", environment.get(names.COMPLETION_INDEX) or "0"
    if not (count.isdigit() and number.isdigit() and (int(number) < int(count) or count == "1")):
        raise UserError(
            f"{names.COMPLETION_INDEX}={number} of {names.PARTS}={count} is no part: count from 0; the operator sets them"
        )
    return Part(int(number), int(count)) if int(count) > 1 else WHOLE


def suite_named(run: ResolvedRun, name: str) -> SuiteSpec:
    """The suite of that name.

    Raises:
        UserError: the run has none.
    """
    for suite in run.spec.evaluation.suites:
        if suite.key == name:
            return suite
    known = ", ".join(suite.key for suite in run.spec.evaluation.suites) or "none"
    raise UserError(
        f"{names.SUITE}={name} is no suite of run {run.name} (it has: {known}); add it to spec.evaluation.suites"
    )


def scratch_of(environment: Mapping[str, str]) -> Path:
    """Folder for temporary files: the pod's scratch volume where there is one, else a folder of the system's own."""
    mount = Path(names.SCRATCH_MOUNT)
    chosen = environment.get("WEBSSL_SCRATCH") or environment.get("TMPDIR")
    chosen = chosen or (str(mount) if mount.is_dir() else tempfile.gettempdir())
    return Path(chosen) / "webssl-eval"


def _required(environment: Mapping[str, str], name: str) -> str:
    return _stated(environment, name, least=1)


def _stated(environment: Mapping[str, str], name: str, least: int = 0) -> str:
    """A variable that has to be there, with at least so many characters."""
    value = environment.get(name)
    if value is None or len(value) < least:
        raise UserError(f"environment variable {name} is not set; the operator sets it in evaluation pods")
    return value
