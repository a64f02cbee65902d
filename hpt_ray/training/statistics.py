"""The running statistics of batch norm, estimated on the images of a data set, for weights that were not trained.

Izmailov et al., "Averaging Weights Leads to Wider Optima" (arXiv 1803.05407, section 3.2): where weights are averages,
one pass over the images gives the statistics of their features.
"""

from __future__ import annotations

import numpy as np
import torch

from hpt_ray.data.dataset import Dataset
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.features import evaluating, prepared
from hpt_ray.training.normalisation import batch_norms

#: Statistics are of at most so many images, in batches of at most so many: neither depends on the device.
IMAGES, BATCH = 16_384, 256


@torch.no_grad()
def re_estimate_statistics(network: Backbone, data: Dataset, image_size: int, device: torch.device) -> None:
    """Set the running statistics of batch norm to the mean of those of batches of a data set's train images.

    Images are as a probe sees them. What is random or differs in training otherwise, as dropout, stays in eval mode. A
    network without batch norm stays as it is, and no image is read.

    Args:
        image_size: side of the images in pixels.
    """
    layers = batch_norms(network)
    if not layers:
        return
    train = data.splits["train"]
    chosen = train[np.linspace(0, len(train) - 1, min(len(train), IMAGES)).round().astype(np.int64)]
    momentum = [layer.momentum for layer in layers]
    with evaluating(network, device):
        for layer in layers:
            layer.reset_running_stats()
            layer.train()
            layer.momentum = None  # a mean over batches, all of which weigh the same
        for batch in np.array_split(chosen, -(-len(chosen) // BATCH)):
            network(prepared(data, batch, image_size, device))
    for layer, before in zip(layers, momentum, strict=True):
        layer.momentum = before
