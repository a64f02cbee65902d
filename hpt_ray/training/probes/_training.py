"""Common parts of the probes that train: augmented batches of labelled images, a new classifier, loss and schedule.

Of several labels an image, each class is a logit of its own with a sigmoid, and what is unknown has no part in the loss
(U-Ignore of Irvin et al., CheXpert, arXiv 1901.07031).

Every draw comes from (repeat, name of the probe, iteration) alone, so that every arm and seed is probed by the same
images in the same order, under the same draws and from the same classifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.optim.lr_scheduler import MultiStepLR

from hpt_ray.core.errors import StageError
from hpt_ray.core.identity import stream
from hpt_ray.core.targets import both
from hpt_ray.spec.policy import Policy, RandomResizedCrop
from hpt_ray.training.ahead import Ahead, depth_on
from hpt_ray.training.augment.transfer import Parcel
from hpt_ray.training.pixels import View
from hpt_ray.training.probe import Chosen, Predicted, Subject
from hpt_ray.training.views import Views

#: RandomResizedCrop and flip as torchvision has them by default, which the paper's configurations use for every
#: training with labels: crops as small as 0.08, where pretraining has 0.2.
POLICY = Policy(crop=RandomResizedCrop(scale=(0.08, 1.0))).without("color_jitter", "grayscale", "blur")


class LabelledBatches:
    """Augmented batches of labelled images, one permutation of them after the other; a batch may span two.

    Args:
        indices: of the images to train on; a batch holds no more than there are.
        name: of the probe, whose streams of random numbers these are.
    """

    def __init__(self, subject: Subject, indices: NDArray[np.int64], batch: int, repeat: int, name: str) -> None:
        self.subject, self.indices, self.batch = subject, indices, min(batch, len(indices))
        self.repeat, self.name = repeat, name
        self.views = Views(subject.data, POLICY, subject.image_size, subject.device, precision=subject.precision)
        self._ahead = Ahead(self._prepare, depth_on(subject.device))
        # To draw the permutation of a large data set takes milliseconds, and a batch is of at most two.
        self._order = lru_cache(maxsize=2)(self._permutation)

    def indices_of(self, iteration: int) -> NDArray[np.int64]:
        """The images of one iteration."""
        positions = np.arange(iteration * self.batch, (iteration + 1) * self.batch)
        epochs, places = np.divmod(positions, len(self.indices))
        return np.concatenate([self._order(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)])

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        return stream(self.repeat, f"{self.name} order", epoch).permutation(self.indices)

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Normalised views [b, C, S, S], in the subject's precision; labels [b] or targets [b, C]; on its device."""
        arrays = self._ahead(iteration).opened()
        return self.views.render(arrays, 0), arrays["wanted"]

    def _prepare(self, iteration: int) -> Parcel:
        indices = self.indices_of(iteration)
        draws = self.views.draw(stream(self.repeat, self.name, iteration), indices)
        return self.views.prepare([View(indices, draws)], wanted=self.subject.wanted(indices))

    def decide(self, logits: NDArray[np.float32]) -> Predicted:
        """Logits [n, classes] -> the class of the largest, or -1, which is never right, where they are not finite.

        Of multi-label data the logits, as scores; NaN for a class that these images have not both values of.
        """
        targets = self.subject.data.targets
        if targets is not None:
            return np.where(both(targets[self.indices]), logits, np.float32(np.nan))
        finite = np.isfinite(logits).all(axis=1)
        return np.where(finite, logits.argmax(axis=1), -1).astype(np.int64)


def new_classifier(subject: Subject, repeat: int, name: str) -> nn.Linear:
    """One linear layer [n, dim] -> [n, classes], weights normal(0, 0.01) and biases 0.

    As MoCo's main_lincls.py and the classification head of the paper's code (OpenSelfSup's ClsHead) begin.
    """
    dim, classes = subject.backbone.dim, len(subject.data.classes)
    layer = nn.Linear(dim, classes, device="meta").to_empty(device=subject.device)  # draws from no global generator
    weights = stream(repeat, f"{name} init").normal(0, 0.01, (classes, dim))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights))
        layer.bias.zero_()
    return layer


def steps(optimiser: torch.optim.Optimizer, iterations: int) -> MultiStepLR:
    """Learning rates / 10 at 1/3 and again at 2/3 of the iterations: at 833 and 1,667 of the paper's 2,500."""
    return MultiStepLR(optimiser, [max(1, round(iterations * third / 3)) for third in (1, 2)], gamma=0.1)


def loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of logits [b, classes] with labels [b]; of targets [b, C] the binary, a mean over what is known."""
    if wanted.ndim == 1:
        return cross_entropy(logits, wanted)
    known = (wanted >= 0).float()
    return binary_cross_entropy_with_logits(logits, wanted.float(), weight=known, reduction="sum") / known.sum()


def usable(
    candidates: Iterable[tuple[Chosen, NDArray[np.float32]]], batches: LabelledBatches, what: str
) -> Iterator[tuple[Chosen, Predicted]]:
    """Yield the candidates with finite logits, with their predictions. Raises StageError if all candidates diverged."""
    diverged = True
    for chosen, logits in candidates:
        if np.isfinite(logits).all():
            diverged = False
            yield chosen, batches.decide(logits)
    if diverged:
        raise StageError(f"{what} ends in numbers that are not finite: lower its learning rate or check the weights.")
