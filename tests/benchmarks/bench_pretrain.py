"""Pretraining against the compute-only limit and against a plain lightly loop: same network, images, batch, machine.

    python -m tests.benchmarks.bench_pretrain

The limit is forward, backward and the key encoder's forward on one fixed batch already in memory, in the same groups,
precision and layout, and nothing else: no data, no augmentation, no loss over a queue, no optimiser, no momentum
update. We and the limit run as the tool runs: two processes of one thread each, side by side on two cores. The lightly
loop runs as its tutorial has it: one process with all threads, the better of no loader workers and two. Figures are of
the whole machine; each ratio is the median over rounds that take turns.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hpt_ray.data import dataset
from hpt_ray.spec.recipe import change
from hpt_ray.spec.scales import SCALES
from hpt_ray.spec.study import Pretraining
from hpt_ray.training.backbone import build
from hpt_ray.training.device import default_device, native_precision
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.method import precision_context

DATA, ITERATIONS = "synthetic:aerial", 40
QUICK = SCALES["quick"]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Setting:
    """What all contenders share."""

    recipe: Pretraining
    precision: str


def ours(setting: Setting, loaders: int) -> Callable[[], object]:
    data = dataset.load(DATA, QUICK.decode_size)
    trainer = Pretrainer(
        setting.recipe,
        build(QUICK.backbone, 0),
        data,
        iterations=10**6,
        image_size=QUICK.image_size,
        seed=0,
        precision=setting.precision,
    )
    return lambda: float(trainer.step())


def limit(setting: Setting, loaders: int) -> Callable[[], None]:
    recipe = setting.recipe
    student = build(QUICK.backbone, 0).to(memory_format=torch.channels_last).train()
    head = nn.Sequential(nn.Linear(student.dim, student.dim), nn.ReLU(), nn.Linear(student.dim, 64))
    key, key_head = copy.deepcopy(student), copy.deepcopy(head)
    size = QUICK.image_size
    images = torch.randn(recipe.group, 3, size, size).contiguous(memory_format=torch.channels_last)

    def step() -> None:
        with precision_context(CPU, setting.precision):
            for _ in range(recipe.batch // recipe.group):
                with torch.no_grad():
                    key_head(key(images))
                head(student(images)).float().pow(2).mean().backward()
        for parameter in (*student.parameters(), *head.parameters()):
            parameter.grad = None

    return step


def lightly_loop(setting: Setting, loaders: int) -> Callable[[], None]:
    """MoCo-v2 as in lightly's tutorial: PIL transforms, a DataLoader, float32."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import MoCoProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum
    from lightly.transforms import MoCoV2Transform
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    recipe, data = setting.recipe, dataset.load(DATA, QUICK.decode_size)
    transform = MoCoV2Transform(input_size=QUICK.image_size, gaussian_blur=0.5)

    class Images(Dataset):
        def __len__(self) -> int:
            return len(data.images)

        def __getitem__(self, index: int) -> list[torch.Tensor]:
            views: list[torch.Tensor] = transform(
                Image.fromarray(np.ascontiguousarray(data.images[index].transpose(1, 2, 0)))
            )
            return views

    def endless() -> Iterator[Any]:
        loader = DataLoader(
            Images(),
            batch_size=recipe.batch,
            shuffle=True,
            drop_last=True,
            num_workers=loaders,
            multiprocessing_context="fork" if loaders else None,
        )
        while True:
            yield from loader

    batches = endless()
    student = build(QUICK.backbone, 0)
    head = MoCoProjectionHead(student.dim, student.dim, int(recipe.options["dim"]))
    key, key_head = copy.deepcopy(student), copy.deepcopy(head)
    deactivate_requires_grad(key)
    deactivate_requires_grad(key_head)
    criterion = NTXentLoss(
        temperature=recipe.options["temperature"],
        memory_bank_size=(int(recipe.options["queue"]), int(recipe.options["dim"])),
    )
    optimiser = torch.optim.SGD(
        [*student.parameters(), *head.parameters()], lr=recipe.lr, momentum=0.9, weight_decay=1e-4
    )

    def step() -> None:
        first, second = next(batches)
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


def timed(name: str, setting: Setting, iterations: int, threads: int, loaders: int, barrier: Any, answers: Any) -> None:
    torch.set_num_threads(threads)
    step = CONTENDERS[name](setting, loaders)
    for _ in range(3):
        step()
    barrier.wait()
    began = time.perf_counter()
    for _ in range(iterations):
        step()
    answers.put(iterations * setting.recipe.batch / (time.perf_counter() - began))


def rate(name: str, setting: Setting, iterations: int, processes: int, threads: int, loaders: int = 0) -> float:
    """Images per second of all processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    arguments = (name, setting, iterations, threads, loaders, barrier, answers)
    running = [context.Process(target=timed, args=arguments) for _ in range(processes)]
    for process in running:
        process.start()
    total = sum(answers.get(timeout=300) for _ in running)
    for process in running:
        process.join()
    return total


def compare(setting: Setting, rounds: int) -> None:
    found: dict[str, list[float]] = {"ours": [], "limit": [], "lightly": []}
    images = ITERATIONS * 128 // setting.recipe.batch
    for _ in range(rounds):
        for name in ("ours", "limit"):
            found[name].append(rate(name, setting, images, processes=2, threads=1))
        found["lightly"].append(max(rate("lightly", setting, images // 6, 1, 2, loaders) for loaders in (0, 2)))
    recipe = setting.recipe
    print(f"batch {recipe.batch} in groups of {recipe.group}, {setting.precision}:")
    for name, rates in found.items():
        print(f"  {name:8} {statistics.median(rates):6.0f} images/s   ({min(rates):.0f} to {max(rates):.0f})")
    for other, label in (("limit", "of the compute-only limit"), ("lightly", "times lightly")):
        ratios = [mine / theirs for mine, theirs in zip(found["ours"], found[other], strict=True)]
        print(f"  ours is {statistics.median(ratios):.2f} {label}   ({min(ratios):.2f} to {max(ratios):.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    precision = native_precision(default_device())
    for batch, group in ((128, 64), (QUICK.target.batch, QUICK.target.group)):
        compare(Setting(change(QUICK.target, batch=batch, group=group), precision), rounds)


if __name__ == "__main__":
    main()
