"""The types of webssl.dev: the one contract between operator, trainer, evaluation and CLI."""

from webssl_api.manifest import CheckpointManifest
from webssl_api.reports import EvaluationReport, TrainingReport, TrainingState
from webssl_api.resolved import ResolvedRun
from webssl_api.run import API_VERSION, GROUP, KIND, PLURAL, VERSION, WebSSLRun, WebSSLRunSpec
from webssl_api.status import Phase, RunStatus

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "PLURAL",
    "VERSION",
    "CheckpointManifest",
    "EvaluationReport",
    "Phase",
    "ResolvedRun",
    "RunStatus",
    "TrainingReport",
    "TrainingState",
    "WebSSLRun",
    "WebSSLRunSpec",
]
