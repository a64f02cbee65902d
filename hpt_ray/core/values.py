"""Validated, immutable values: their base class, and a moment."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Frozen(BaseModel):
    """A validated value: immutable, compared by content; unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _moment(text: str) -> str:
    datetime.datetime.fromisoformat(text)
    return text


#: Date and time in ISO 8601, as text.
Moment = Annotated[str, AfterValidator(_moment)]
