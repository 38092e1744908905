"""All kinds of this API. A further kind is one file with its types, and one entry here."""

from __future__ import annotations

from webssl_api.curation import CURATION
from webssl_api.evaluation_object import EVALUATION
from webssl_api.kind import Kind
from webssl_api.run import RUN

KINDS: tuple[Kind, ...] = (RUN, CURATION, EVALUATION)
