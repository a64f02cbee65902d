"""The data set of a stage, as it was when the study was planned."""

from __future__ import annotations

import dataclasses

from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import StageError
from hpt_ray.data import dataset
from hpt_ray.data.pixels import Pixels
from hpt_ray.planning.stage import EvaluationStage, InterpolationStage, PretrainingStage

#: A stage that reads a data set.
Reading = PretrainingStage | InterpolationStage | EvaluationStage


def stage_data(stage: Reading) -> dataset.Dataset:
    """The stage's data set without the images that are left out, checked to be the one that was planned.

    Raises:
        StageError: if it has changed since.
    """
    apart, without = (stage.apart, stage.content.without) if stage.kind == "pretrain" else ((), None)
    tests, data = tuple(_loaded(stage, spec) for spec in apart), _loaded(stage, stage.data)
    data = dataclasses.replace(data, apart=tests)
    if (data.fingerprint, data.without) != (stage.content.data, without):
        raise StageError(f"data set {stage.data} has changed since the study was planned: run the command again.")
    return data


def _loaded(stage: Reading, spec: str) -> dataset.Dataset:
    pixels: Pixels = "encoded" if spec in stage.encoded else "resident"
    channels = stage.channels.get(spec, RGB)
    return dataset.load(spec, stage.decode_size, stage.groups.get(spec), pixels=pixels, channels=channels)
