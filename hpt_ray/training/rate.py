"""How fast this machine pretrains, from a few real iterations."""

from __future__ import annotations

import time

from hpt_ray.dataset import Dataset
from hpt_ray.study import Pretraining
from hpt_ray.training.backbone import build
from hpt_ray.training.device import default_device, threads
from hpt_ray.training.pretrain import Pretrainer
from hpt_ray.training.workers import Workers

ITERATIONS = 3


def images_per_second(recipe: Pretraining, backbone: str, data: Dataset, image_size: int, precision: str) -> float:
    """The rate of one worker with one thread (or one GPU), after one iteration to warm up."""
    with threads(1):
        pretrainer = Pretrainer(
            recipe,
            build(backbone, 0),
            data,
            iterations=ITERATIONS + 1,
            image_size=image_size,
            seed=0,
            precision=precision,
            workers=Workers(device=default_device()),
        )
        float(pretrainer.step())
        began = time.perf_counter()
        for _ in range(ITERATIONS):
            loss = pretrainer.step()
        float(loss)
        return ITERATIONS * recipe.batch / (time.perf_counter() - began)
