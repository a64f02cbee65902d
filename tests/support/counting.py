"""The faulty study, whose process notes in the file HPT_TRAINED what it trains."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hpt_ray.execute import worker as stages
from hpt_ray.planning.stage import Stage
from tests.support.faulty import study

__all__ = ["study"]

_train = stages._pretrain


def _noted(stage: Stage, *rest: Any) -> None:
    with Path(os.environ["HPT_TRAINED"]).open("a") as file:
        file.write(f"{stage.id}\n")
    _train(stage, *rest)


stages._pretrain = _noted
