"""Why a pod ended, in the words of the status."""

from __future__ import annotations

from dataclasses import dataclass

from webssl_api import exit_codes

from webssl_operator.observe.pod import PodView

LOG_LINES = 15
LOG_CHARACTERS = 1500
_LOST = frozenset({"DeletionByTaintManager", "DeletionByPodGC", "NodeLost"})
_EVICTED = frozenset({"EvictionByEvictionAPI", "TerminationByKubelet"})


@dataclass(frozen=True)
class Verdict:
    """reason: a word of RestartRecord.reason. counted: whether it counts against maxRestarts."""

    reason: str
    counted: bool


def judge(pod: PodView) -> Verdict:
    """Judge a pod that failed or vanished. What the cluster did to it does not count; what it did itself does."""
    if pod.disruption in _LOST:
        return Verdict("NodeLost", False)
    if pod.disruption in _EVICTED or pod.reason == "Evicted":
        return Verdict("Evicted", False)
    if pod.disruption:
        return Verdict("Disrupted", False)
    if pod.exit_reason == "OOMKilled":
        return Verdict("OOMKilled", True)
    if pod.deleted is not None or pod.gone:
        return Verdict("Deleted", False)
    if pod.exit_code is None:
        # Refused by the kubelet before any container started (node shutdown, admission): nothing that the worker did.
        return Verdict("Disrupted", False)
    return Verdict("Error", True)


def is_user_error(pod: PodView) -> bool:
    """Whether the pod says that no retry can help."""
    return pod.exit_code == exit_codes.USER_ERROR


def last_words(pod: PodView) -> str:
    """The end of the pod's log, as the kubelet kept it, cut to what fits in a status."""
    lines = pod.log.strip().splitlines()[-LOG_LINES:]
    return "\n".join(lines)[-LOG_CHARACTERS:]
