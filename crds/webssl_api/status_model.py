"""The base of everything that a status or a report holds."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from webssl_api.base import ApiModel

Count = Annotated[int, Field(ge=0)]


class StatusModel(ApiModel):
    """Status is read leniently: an older operator must be able to read a newer one's status."""

    model_config = ConfigDict(**{**ApiModel.model_config, "extra": "ignore"})
