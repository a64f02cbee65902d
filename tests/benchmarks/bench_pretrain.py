"""Pretraining against the compute-only limit and against a plain lightly loop, on the same network, images and batch.

    python tests/benchmarks/bench_pretrain.py

Each contender runs as two processes of one thread each, as two stages run side by side on two cores; the figures are
sums over both, and the median of several alternating rounds. The limit is forward, backward and the key encoder's
forward on one fixed batch already in memory, in the same groups, precision and layout, and nothing else: no data, no
augmentation, no loss over a queue, no optimiser, no momentum update.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from hpt_ray import dataset
from hpt_ray.scale import SCALES
from hpt_ray.training.backbone import build
from hpt_ray.training.device import resolve_precision
from hpt_ray.training.method import precision_context
from hpt_ray.training.pretrain import Pretrainer

DATA, ITERATIONS, PROCESSES = "synthetic:aerial", 60, 2
QUICK = SCALES["quick"]
CPU = torch.device("cpu")


def ours(precision: str) -> Callable[[], None]:
    data = dataset.load(DATA, QUICK.decode_size)
    trainer = Pretrainer(
        QUICK.target,
        build(QUICK.backbone, 0),
        data,
        iterations=10**6,
        image_size=QUICK.image_size,
        seed=0,
        precision=precision,
    )
    return lambda: float(trainer.step()) and None  # type: ignore[func-returns-value]


def limit(precision: str) -> Callable[[], None]:
    recipe = QUICK.target
    student = build(QUICK.backbone, 0).to(memory_format=torch.channels_last).train()
    head = nn.Sequential(nn.Linear(student.dim, student.dim), nn.ReLU(), nn.Linear(student.dim, 64))
    key, key_head = copy.deepcopy(student), copy.deepcopy(head)
    size = QUICK.image_size
    images = torch.randn(recipe.group, 3, size, size).contiguous(memory_format=torch.channels_last)

    def step() -> None:
        with precision_context(CPU, precision):
            for _ in range(recipe.batch // recipe.group):
                with torch.no_grad():
                    key_head(key(images))
                head(student(images)).float().pow(2).mean().backward()
        for parameter in (*student.parameters(), *head.parameters()):
            parameter.grad = None

    return step


def lightly_loop(precision: str) -> Callable[[], None]:
    """MoCo-v2 as in lightly's tutorial: PIL transforms, a DataLoader, float32."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import MoCoProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum
    from lightly.transforms import MoCoV2Transform
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    recipe, data = QUICK.target, dataset.load(DATA, QUICK.decode_size)
    transform = MoCoV2Transform(input_size=QUICK.image_size, gaussian_blur=0.5)

    class Images(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(data.images)

        def __getitem__(self, index: int) -> list[torch.Tensor]:
            views: list[torch.Tensor] = transform(Image.fromarray(np.ascontiguousarray(data.images[index].transpose(1, 2, 0))))
            return views

    def endless() -> object:
        while True:
            yield from DataLoader(Images(), batch_size=recipe.batch, shuffle=True, drop_last=True, num_workers=0)

    batches = endless()
    student = build(QUICK.backbone, 0)
    head = MoCoProjectionHead(student.dim, student.dim, int(recipe.options["dim"]))
    key, key_head = copy.deepcopy(student), copy.deepcopy(head)
    deactivate_requires_grad(key)
    deactivate_requires_grad(key_head)
    criterion = NTXentLoss(temperature=recipe.options["temperature"], memory_bank_size=(int(recipe.options["queue"]), int(recipe.options["dim"])))
    optimiser = torch.optim.SGD([*student.parameters(), *head.parameters()], lr=recipe.lr, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        first, second = next(batches)  # type: ignore[call-overload]
        update_momentum(student, key, m=recipe.options["key_momentum"])
        update_momentum(head, key_head, m=recipe.options["key_momentum"])
        query = head(student(first))
        with torch.no_grad():
            keys = key_head(key(second))
        loss = criterion(query, keys)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


CONTENDERS = {"ours": ours, "limit": limit, "lightly": lightly_loop}


def timed(name: str, precision: str, iterations: int, barrier: object, answers: object) -> None:
    torch.set_num_threads(1)
    step = CONTENDERS[name](precision)
    for _ in range(3):
        step()
    barrier.wait()  # type: ignore[attr-defined]
    began = time.perf_counter()
    for _ in range(iterations):
        step()
    answers.put(iterations * QUICK.target.batch / (time.perf_counter() - began))  # type: ignore[attr-defined]


def rate(name: str, precision: str, iterations: int) -> float:
    """Images per second of both processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(PROCESSES), context.Queue()
    workers = [context.Process(target=timed, args=(name, precision, iterations, barrier, answers)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    total = sum(answers.get() for _ in workers)
    for worker in workers:
        worker.join()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    precision = resolve_precision("auto")
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, found in rates.items():
            iterations = ITERATIONS * 2 if name != "lightly" else ITERATIONS // 4
            found.append(rate(name, precision, iterations))
    for name, found in rates.items():
        print(f"{name:8} {statistics.median(found):8.0f} images/s   ({min(found):.0f} to {max(found):.0f})")
    for other, label in (("limit", "of the compute-only limit"), ("lightly", "times lightly")):
        ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates[other], strict=True)]
        print(f"ours is {statistics.median(ratios):.2f} {label} ({min(ratios):.2f} to {max(ratios):.2f}), {precision}")


if __name__ == "__main__":
    main()
