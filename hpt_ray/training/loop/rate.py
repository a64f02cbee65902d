"""The speed of pretraining and of frozen passes: measured on this machine, and on GPUs from a published rate."""

from __future__ import annotations

import time

from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.recipe import Recipe, change
from hpt_ray.training.backbone import build, outline
from hpt_ray.training.device import default_device, threads
from hpt_ray.training.features import outputs
from hpt_ray.training.footprint import gflop
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.method import precision_context
from hpt_ray.training.probe import TRAINED
from hpt_ray.training.workers import Workers

ITERATIONS = 3
#: Pixels of the largest group that is measured: a group of 64 at 224 px takes a CPU core minutes, and eight say as
#: much.
PIXELS = 64 * 96**2

#: MoCo-v2 with ResNet-50 at 224 px: 200 epochs of ImageNet in 53 hours on 8 V100 (the authors' repository,
#: facebookresearch/moco), which is 168 images/s on each. A forward pass of an image there is 8.17 GFLOP.
V100_IMAGES_PER_SECOND = 200 * 1_281_167 / (53 * 3600) / 8
V100_GFLOP = 8.17
#: Forward passes that an image of MoCo's is worth: the query's, with its way back, and the key's.
MOCO_PASSES = TRAINED + 1


def images_per_second(recipe: Recipe, backbone: str, data: Dataset, image_size: int, precision: str) -> float:
    """The rate of one worker with one thread (or one GPU), after one iteration to warm up."""
    device, group = default_device(), recipe.group
    while device.type == "cpu" and group > 4 and group % 2 == 0 and group * image_size**2 > PIXELS:
        group //= 2
    if group < recipe.group:
        recipe = change(recipe, batch=group, group=group)
    with threads(1):
        pretrainer = Pretrainer(
            recipe,
            build(backbone, 0, image_size, data.channels),
            data,
            iterations=ITERATIONS + 1,
            image_size=image_size,
            seed=0,
            precision=precision,
            workers=Workers(device=device),
        )
        float(pretrainer.step())
        began = time.perf_counter()
        for _ in range(ITERATIONS):
            loss = pretrainer.step()
        float(loss)
        return ITERATIONS * recipe.batch / (time.perf_counter() - began)


def passes_per_second(backbone: str, data: Dataset, image_size: int, precision: str) -> float:
    """Images of a data set through a frozen network, by one worker with one thread (or one GPU), after a warm-up."""
    device, network = default_device(), build(backbone, 0, image_size, data.channels)
    chosen = data.evaluation()["train"][: max(4, PIXELS // image_size**2)]
    with threads(1), precision_context(device, precision):
        outputs(network, data, chosen[:4], image_size, device)
        began = time.perf_counter()
        outputs(network, data, chosen, image_size, device)
        return len(chosen) / (time.perf_counter() - began)


def gpu_hours(passes: int, backbone: str, image_size: int) -> float:
    """Hours of one V100 for that many forward passes of an image, if operations take as long there in every network."""
    of_an_image = gflop(outline(backbone, image_size), image_size)
    return passes * of_an_image / V100_GFLOP / (MOCO_PASSES * V100_IMAGES_PER_SECOND) / 3600
