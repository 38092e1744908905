"""What the operator is told at its start: by the environment, which the chart sets, or by flags."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Images:
    """Images of pods whose run names none."""

    trainer: str = "webssl/trainer:latest"
    evaluation: str = "webssl/eval:latest"


@dataclass(frozen=True)
class Pace:
    """Times of the plan in seconds.

    progress: least time between two status writes that only carry progress. accounting: the same for GPU hours alone.
    lost_after: how long a pod may outlive its deletion before its node counts as lost. report_wait: how long after the end of a
    Job its report may come late.
    """

    progress: float = 5.0
    accounting: float = 60.0
    lost_after: float = 15.0
    report_wait: float = 60.0


@dataclass(frozen=True)
class Settings:
    """All settings. namespaces: empty means every namespace. evaluation_priority: priority class of evaluation pods, empty for none."""

    images: Images = Images()
    evaluation_priority: str = ""
    pace: Pace = Pace()
    namespaces: tuple[str, ...] = ()
    metrics_port: int = 9401
    health_port: int = 8080
    log_level: str = "info"
    identity: str = "webssl-operator"
    own_namespace: str = "default"
    lease_name: str = "webssl-operator"
    lease_seconds: float = 15.0
    leader_election: bool = True
    concurrency: int = 16
    resync: float = 600.0
    discovery: float = 60.0


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from WEBSSL_* and POD_* variables. Raises ValueError naming the variable, the value and the mend."""
    get = environment.get
    names = tuple(name.strip() for name in get("WEBSSL_WATCH_NAMESPACES", "").split(",") if name.strip())
    return Settings(
        images=Images(
            trainer=get("WEBSSL_TRAINER_IMAGE") or Images.trainer,
            evaluation=get("WEBSSL_EVAL_IMAGE") or Images.evaluation,
        ),
        evaluation_priority=get("WEBSSL_EVALUATION_PRIORITY_CLASS", ""),
        pace=Pace(progress=_number(get("WEBSSL_STATUS_INTERVAL"), "WEBSSL_STATUS_INTERVAL", Pace.progress)),
        namespaces=names,
        metrics_port=int(_number(get("WEBSSL_METRICS_PORT"), "WEBSSL_METRICS_PORT", 9401)),
        health_port=int(_number(get("WEBSSL_HEALTH_PORT"), "WEBSSL_HEALTH_PORT", 8080)),
        log_level=get("WEBSSL_LOG_LEVEL", "info"),
        identity=get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        own_namespace=get("POD_NAMESPACE", "default"),
        lease_name=get("WEBSSL_LEASE_NAME", "webssl-operator"),
        lease_seconds=_number(get("WEBSSL_LEASE_SECONDS"), "WEBSSL_LEASE_SECONDS", 15.0),
        leader_election=get("WEBSSL_LEADER_ELECTION", "true").lower() != "false",
        concurrency=int(_number(get("WEBSSL_CONCURRENCY"), "WEBSSL_CONCURRENCY", 16)),
        resync=_number(get("WEBSSL_RESYNC_SECONDS"), "WEBSSL_RESYNC_SECONDS", 600.0),
        discovery=_number(get("WEBSSL_DISCOVERY_SECONDS"), "WEBSSL_DISCOVERY_SECONDS", 60.0),
    )


def _number(text: str | None, name: str, default: float) -> float:
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, not a number: write it like {default:g}") from None
    if value < 0:
        raise ValueError(f"{name} is {text!r}, below zero: write it like {default:g}")
    return value
