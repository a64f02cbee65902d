"""A step of the SGD probe waits for nothing: told on a GPU that is not there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from hpt_ray.training.probe import Subject
from hpt_ray.training.probes import sgd
from hpt_ray.training.probes._training import LabelledBatches, new_classifier
from tests.support import labelled, tiny
from tests.support.fake_gpu import GPU, fake_gpu


@pytest.mark.parametrize("several", [False, True])
def test_a_step_of_the_sgd_probe(several: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_gpu(monkeypatch) as gpu:
        data = labelled.coloured()
        if several:
            targets = np.random.default_rng(0).integers(-1, 2, (len(data.labels), 3)).astype(np.int8)
            data = dataclasses.replace(data, targets=targets)
        probed = Subject(tiny.backbone().to(GPU), data, tiny.SIZE, GPU)
        batches = LabelledBatches(probed, probed.data.splits["train"], 16, 0, sgd.NAME)
        classifier = new_classifier(probed, 0, sgd.NAME)
        optimiser = torch.optim.SGD(classifier.parameters(), lr=0.1, momentum=0.9)
        for iteration in range(2):
            gpu.copies.clear(), gpu.unpinned.clear()
            sgd.step(probed, classifier, optimiser, *batches(iteration), 7)
            assert (gpu.unpinned, gpu.synchronisations) == ([], [])
        assert len(gpu.copies) == 1
        assert classifier.weight.device == GPU
