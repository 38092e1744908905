"""The run that the end-to-end tests apply: a tiny ViT with the real objective, small enough for a CPU."""

from __future__ import annotations

from typing import Any

from webssl_cli.demo.manifest import ROOT
from webssl_cli.demo.place import Place

BATCH = 16
STEPS = 120
INTERVAL = 15


def checkpoint_uri(name: str) -> str:
    """Where a run of this name keeps its checkpoints."""
    return f"{ROOT}/e2e/{name}"


def storage_of(place: Place) -> dict[str, Any]:
    """The bucket, as pods reach it."""
    return {"endpoint": place.s3_inside, "region": place.region, "secretRef": {"name": "s3-credentials"}}


def training_run(
    name: str,
    namespace: str,
    place: Place,
    *,
    workers: tuple[int, int] = (1, 2),
    steps: int = STEPS,
    interval: int = INTERVAL,
    suites: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Manifest of a run of `steps` optimizer steps with a checkpoint every `interval` steps; ids go into the step log."""
    head = {"hiddenDim": 64, "bottleneckDim": 32, "prototypes": 128}
    template = {
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "3Gi"}},
        "terminationGracePeriodSeconds": 20,
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
    }
    return {
        "apiVersion": "webssl.dev/v1alpha1",
        "kind": "WebSSLRun",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "model": {"size": "tiny", "patchSize": 14, "dropPath": 0.2},
            "objective": {
                "dino": {"dinoHead": head, "ibotHead": head, "localCrops": 4, "koleo": {"groupSize": 8}}
            },
            "data": {
                "source": f"{ROOT}/{{stamps,clothes}}/*.tar",
                "storage": storage_of(place),
                "loaderThreads": 1,
            },
            "schedule": {
                "stages": [{"resolution": 56, "samples": steps * BATCH}],
                "globalBatchSize": BATCH,
            },
            "workers": {
                "min": workers[0],
                "max": workers[1],
                "pendingGrace": "20s",
                "growInterval": "30s",
                "template": template,
            },
            "checkpoint": {
                "uri": checkpoint_uri(name),
                "interval": {"samples": interval * BATCH},
                "keep": 3,
            },
            "evaluation": {"suites": suites or [], "template": template},
            "restartPolicy": {"maxRestarts": 10, "window": "1h"},
            "logSampleIds": True,
        },
    }
