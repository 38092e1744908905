"""All kinds that the operator looks after. A further kind is one file with its Handling, and one entry here."""

from __future__ import annotations

from collections.abc import Mapping

from webssl_operator.kinds.curation import CURATIONS
from webssl_operator.kinds.evaluation import EVALUATIONS
from webssl_operator.kinds.handling import Handling
from webssl_operator.kinds.run import RUNS

HANDLINGS: tuple[Handling, ...] = (RUNS, CURATIONS, EVALUATIONS)
BY_NAME: Mapping[str, Handling] = {handling.kind.name: handling for handling in HANDLINGS}
