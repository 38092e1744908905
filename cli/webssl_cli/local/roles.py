"""The roles of workers and suites: the operator's own AppDef, with files in the place of ConfigMaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchx.specs import Role
from webssl_api import ResolvedRun, labels
from webssl_operator.construct.appdef import Places, storage_environment, worker_app

if TYPE_CHECKING:
    from webssl_cli.local.folder import RunFolder

HERE = "this-machine"


def worker(resolved: ResolvedRun, folder: RunFolder, count: int) -> Role:
    """The worker's role of the run's AppDef; its image does not matter here."""
    places = Places(
        run_file=str(folder.run_file),
        report=folder.report_file.as_uri(),
        rendezvous=folder.rendezvous_file.as_uri(),
    )
    (role,) = worker_app(resolved.name, resolved.spec, places, HERE, count).roles
    return role


def evaluation(resolved: ResolvedRun) -> Role:
    """The role of an evaluation suite: the command of its pod; which suite stands in the environment."""
    template = resolved.spec.evaluation.template
    return Role(
        name=labels.ROLE_EVALUATION,
        image=HERE,
        entrypoint="python",
        args=["-m", "webssl_eval"],
        env={
            **storage_environment(resolved.spec.data.storage),
            **{variable.name: variable.value for variable in template.env},
        },
    )
