"""`run.yaml` in the run's ConfigMap: all that a pod must know about its run."""

from __future__ import annotations

from typing import Any

import yaml

from webssl_api.base import ApiModel
from webssl_api.run import WebSSLRun, WebSSLRunSpec

RUN_KEY = "run.yaml"
# libyaml writes the same text ten times as fast; an operator writes thousands.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class ResolvedRun(ApiModel):
    """A run with every default filled in."""

    name: str
    namespace: str
    uid: str
    spec: WebSSLRunSpec

    @classmethod
    def of(cls, run: WebSSLRun) -> ResolvedRun:
        """The resolved form of `run`."""
        meta = run.metadata
        return cls(name=meta.name, namespace=meta.namespace, uid=meta.uid, spec=run.spec)

    def to_yaml(self) -> str:
        """YAML text, stable for equal runs."""
        return yaml.dump(self.to_dict(), Dumper=_DUMPER, sort_keys=True)

    @classmethod
    def from_yaml(cls, text: str) -> ResolvedRun:
        """Read it back. Raises pydantic.ValidationError naming field and value."""
        return cls.model_validate(yaml.safe_load(text))
