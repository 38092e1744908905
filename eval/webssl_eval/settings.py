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


@dataclass(frozen=True)
class Settings:
    """One suite on one checkpoint.

    Attributes:
        run: the run that the checkpoint is of.
        suite: the suite, one of the run's.
        checkpoint_uri: folder of the checkpoint.
        checkpoint_digest: digest that its manifest must have.
        report: address of the report (`configmap://` or `file://`).
        scratch: folder for large temporary files and caches.
    """

    run: ResolvedRun
    suite: SuiteSpec
    checkpoint_uri: str
    checkpoint_digest: str
    report: str
    scratch: Path


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
        checkpoint_digest=_required(environment, names.CHECKPOINT_DIGEST),
        report=_required(environment, names.REPORT),
        scratch=scratch_of(environment),
    )


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
    value = environment.get(name, "")
    if not value:
        raise UserError(f"environment variable {name} is not set; the operator sets it in evaluation pods")
    return value
