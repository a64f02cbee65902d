"""Validated, immutable values: their base class, a moment, and fields that came later."""

from __future__ import annotations

import datetime
from functools import partial
from operator import eq
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A validated value: immutable, compared by content; unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _moment(text: str) -> str:
    datetime.datetime.fromisoformat(text)
    return text


#: Date and time in ISO 8601, as text.
Moment = Annotated[str, AfterValidator(_moment)]


def later(default: Any) -> Any:
    """A field that a later version added: its default is not written, so that earlier identities stay the same."""
    return Field(default=default, exclude_if=partial(eq, default))
