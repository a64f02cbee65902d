"""The online monitor: the quality of the backbone during training, so that collapse and forgetting are seen early."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpt_ray.core.identity import stream
from hpt_ray.core.metrics import accuracy
from hpt_ray.data.dataset import Dataset, Indices
from hpt_ray.data.splits import nested
from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.schedule import trunk_of
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.features import Split, outputs
from hpt_ray.training.normalisation import statistics
from hpt_ray.training.probes import knn
from hpt_ray.training.workers import Workers

#: Images looked at per image trained on. One costs a quarter of the other, so that this keeps the monitor below 3 % of
#: a stage's time (measured at the quick scale, one thread: 2.6 %, and 3.1 % in the first stage of a process).
SHARE = 0.09
#: Checks of a stage: ten if each then has its 200 images, in a short stage fewer, but always the start and the end.
MOST_CHECKS, FEWEST_CHECKS, IMAGES_PER_CHECK = 10, 2, 200
#: Train and val images of a check: as many of one as of the other, since the val images decide the standard error.
MOST_IMAGES, FEWEST_IMAGES = 500, 50
NEIGHBOURS = 20
#: What float32 leaves of features that are all equal, relative to their norm: this is no variation.
ROUNDING = 1e-6


class Monitor:
    """Checks the backbone of one stage: weighted kNN of val images by train images, and their effective rank.

    The images are fixed for a stage and drawn by its seed, stratified, from the whole data set whatever fraction of it
    is pretrained on, and never from test: a check measures and teaches nothing. How many there are follows from the
    stage's budget, unless it shares a trunk with other budgets. Nothing of the network is touched: each check works on
    a copy in eval mode, in float32, as the probes see it, with the mean of the workers' running statistics, which is
    what the stage would end with.
    """

    def __init__(
        self,
        data: Dataset,
        logged: Sequence[int],
        *,
        batch: int,
        image_size: int,
        seed: int,
        workers: Workers,
        at: frozenset[int] | None = None,
    ) -> None:
        """
        Args:
            logged: the iterations to choose from, ascending, the first (0, before training) and last among the chosen.
            at: those that are chosen already, whatever the budget.
        """
        self.data, self.image_size, self.workers = data, image_size, workers
        budget = round(SHARE * logged[-1] * batch)
        checks = min(MOST_CHECKS, max(FEWEST_CHECKS, budget // IMAGES_PER_CHECK), len(logged))
        each = min(MOST_IMAGES, max(FEWEST_IMAGES, budget // checks // 2)) if at is None else IMAGES_PER_CHECK // 2
        self.at = at or frozenset(logged[round(place)] for place in np.linspace(0, len(logged) - 1, checks))
        train, val = (split[data.labels[split] >= 0] for split in (data.splits["train"], data.splits["val"]))
        self.labelled = len(val) > 0 and len(np.unique(data.labels[train])) > 1
        queries = val if self.labelled else data.pretraining()
        self.train = nested(train, data.labels, each, stream(seed, "monitor", 0))
        self.queries = nested(queries, data.labels, each, stream(seed, "monitor", 1))

    def check(self, backbone: Backbone) -> dict[str, float]:
        """The measures, as columns of ``results.CURVES``; all workers take part, and the first one has them.

        ``knn`` is the accuracy on val, ``effective_rank`` that of the same images' features and ``n`` their number.
        Without labelled val images, or with train labels of one class only, ``knn`` is left out and the images are any
        that may be pretrained on. Nothing at all is measured of features that are not finite.
        """
        averaged = [self.workers.gather(tensor[None]).mean(dim=0) for tensor in statistics(backbone)]
        if self.workers.rank > 0:
            return {}
        network = copy.deepcopy(backbone)
        for tensor, mean in zip(statistics(network), averaged, strict=True):
            tensor.copy_(mean)
        queries = self._split(network, self.queries)
        train = self._split(network, self.train) if self.labelled else queries
        if not (np.isfinite(queries.features).all() and np.isfinite(train.features).all()):
            return {}
        measures: dict[str, float] = {"n": len(self.queries), "effective_rank": effective_rank(queries.features)}
        if self.labelled:
            (predicted,) = knn.vote(train, queries.features, [min(NEIGHBOURS, len(self.train))])
            measures["knn"] = accuracy.metric.value(predicted, queries.labels)
        return measures

    def _split(self, network: Backbone, indices: Indices) -> Split:
        features = outputs(network, self.data, indices, self.image_size, self.workers.device)
        return Split(features, self.data.labels[indices], indices)


def shared_checks(recipe: Recipe, iterations: int) -> frozenset[int]:
    """The iterations at which to check a trunk, or a stage that shares one with other budgets.

    They are the start, each doubling of the iterations that its share of the images pays for, and a cooldown's end.
    """
    trunk = trunk_of(recipe, iterations)
    doublings = (1 << power for power in range(trunk.bit_length()))
    paid = {at for at in doublings if SHARE * recipe.batch * at / 2 >= IMAGES_PER_CHECK}
    return frozenset({0, *paid} if trunk == iterations else {0, *paid, iterations})


def effective_rank(features: NDArray[np.float32]) -> float:
    """The effective rank of centred features [n, d]: how many directions they vary in.

    Roy and Vetterli, "The effective rank" (EUSIPCO 2007), definition 1: exp of the entropy of the singular values,
    divided by their sum; between 1 and min(n - 1, d), and 0 of features that are all equal. Garrido et al., RankMe
    (arXiv 2210.02885), found it to follow accuracy across self-supervised runs, there without centring.
    """
    exact = features.astype(np.float64)
    singular = np.linalg.svd(exact - exact.mean(axis=0), compute_uv=False)
    singular = singular[singular > ROUNDING * np.linalg.norm(exact)]
    share = singular / singular.sum()
    return float(np.exp(-(share * np.log(share)).sum())) if singular.size else 0.0
