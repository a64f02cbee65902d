"""Self-supervised pretraining of one stage: plain torch, one process per worker, no Ray.

The result does not depend on how many workers share the groups out (beyond floating-point order), and a stage resumed
from a checkpoint ends bit-identical to one never interrupted: every draw comes from (seed, stream, iteration).
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from hpt_ray.core.errors import StageError, StudyError
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.arm import Tune
from hpt_ray.spec.recipe import Recipe
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.compiler import compile_backbones
from hpt_ray.training.loop.batches import Batches
from hpt_ray.training.loop.checkpoint import Checkpoints, Snapshot, Writer
from hpt_ray.training.loop.clock import Clock, Decision
from hpt_ray.training.loop.groups import optimiser
from hpt_ray.training.loop.monitor import Monitor
from hpt_ray.training.method import find, precision_context
from hpt_ray.training.normalisation import GroupStatistics, adapt_only_norm, average_statistics, statistics
from hpt_ray.training.workers import Workers

CURVE_POINTS = 100
CHECKPOINT_SECONDS = 60.0
#: Called with an iteration and the latest row of the curve; returns whether to go on.
Report = Callable[[int, dict[str, float]], bool]


@dataclass
class Curve:
    """What is recorded while training: ``rows``, one per logged iteration, with columns as in ``results.CURVES``.

    Those of the monitor are in some rows only; ``start`` has them as they were before the first iteration. ``seconds``
    is training time over all attempts, the monitor's left out.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    start: dict[str, float] = field(default_factory=dict)

    @property
    def table(self) -> list[dict[str, float]]:
        """All rows, iteration 0 first; a column that a row lacks is null."""
        return [{"iteration": 0, **self.start}, *self.rows]


def learning_rate(recipe: Recipe, iteration: int, iterations: int) -> float:
    """Cosine from ``lr`` to 0 over this stage's own budget (Loshchilov and Hutter, SGDR, eq. 5).

    In the ``warmup`` it rises from 0 in a straight line before, as in MoCo v3.
    """
    rising = recipe.warmup * iterations
    if iteration < rising:
        return recipe.lr * iteration / rising
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (iteration - rising) / (iterations - rising)))


class Pretrainer:
    """One pretraining stage on one worker: networks, optimiser and position, all of which a checkpoint holds."""

    def __init__(
        self,
        recipe: Recipe,
        backbone: Backbone,
        data: Dataset,
        *,
        iterations: int,
        image_size: int,
        seed: int,
        tune: Tune = "all",
        precision: str = "float32",
        compile: bool = False,
        workers: Workers | None = None,
    ) -> None:
        """
        Raises:
            DataError: if the data set has fewer pretraining images than a batch, or not the labels a method needs.
            StudyError: if batch, groups, queue and workers do not fit together, HPT-BN finds no norm layer, or
                ``layer_decay`` no order of layers.
        """
        self.recipe, self.iterations, self.precision = recipe, iterations, precision
        self.workers = workers or Workers()
        self.iteration, self.curve = 0, Curve()
        device = self.workers.device
        method = find(recipe.method)
        self.batches = Batches(
            recipe,
            data,
            method,
            iterations=iterations,
            image_size=image_size,
            seed=seed,
            precision=precision,
            workers=self.workers,
        )
        groups = self.workers.share(recipe.batch // recipe.group)
        if tune == "bn" and not adapt_only_norm(backbone):
            raise StudyError("HPT-BN needs normalisation layers, and this backbone has none.")
        options = method.options(recipe.options)
        method.check(options, recipe.batch)
        self.method = method(backbone, options, seed, len(data.classes))
        self.method.to(memory_format=torch.channels_last).to(device)
        self.method.train()
        if compile:
            compile_backbones(self.method)
        self.backbone = backbone
        GroupStatistics(backbone, len(groups))
        self.trained = [p for p in self.method.bare_student.parameters() if p.requires_grad]
        self.optimiser = optimiser(recipe, self.method.bare_student, backbone)
        self.workers.wait()  # reading the data may take one of them longer than training lets another wait
        self.method.distribute(self.workers)
        self.every = max(1, iterations // CURVE_POINTS)
        logged = [*range(0, iterations, self.every), iterations]
        self.monitor = Monitor(data, logged, batch=recipe.batch, image_size=image_size, seed=seed, workers=self.workers)
        if self.workers.size > 1:
            self._warm_up()

    def run(self, checkpoints: Checkpoints | None = None, report: Report | None = None) -> Curve:
        """Train to the end of the budget, from the last checkpoint if there is one.

        Args:
            report: called by the first worker at each logged iteration and about once a second, with the latest row of
                the curve, empty before the first. False stops the stage there, with a checkpoint, and ``iteration``
                says how far it came.

        Raises:
            StageError: when the loss is no longer finite. StoreError: when a checkpoint cannot be written.
        """
        state = checkpoints.read() if checkpoints else None
        if state is not None:
            self.restore(state)
        if self.iteration == 0:
            self.curve.start = self.monitor.check(self.backbone)
        with Writer(checkpoints) if checkpoints else contextlib.nullcontext() as writer:
            self._train(writer, report)
        if self.iteration == self.iterations:
            average_statistics(self.backbone, self.workers, self.iteration)
        return self.curve

    def _train(self, writer: Writer | None, report: Report | None) -> None:
        """Iterate until the end of the budget or until ``report`` says to stop."""
        clock, saved = Clock(self.workers, self.iteration), time.monotonic()
        logged_at, logged_seconds, marked = self.iteration, self.curve.seconds, time.perf_counter()
        while self.iteration < self.iterations:
            loss = self.step()
            last = self.iteration == self.iterations
            logged = last or self.iteration % self.every == 0
            if not logged and not clock.due(self.iteration):
                continue
            value = float(self.workers.gather(loss[None]).mean()) if logged else math.nan  # waits for the device
            now = time.perf_counter()
            self.curve.seconds += now - marked
            marked = now
            if logged:
                self._log(value, self.iteration - logged_at, self.curve.seconds - logged_seconds)
                logged_at, logged_seconds, marked = self.iteration, self.curve.seconds, time.perf_counter()
            wanted = Decision(save=False, stop=False)
            if self.workers.rank == 0:
                row = self.curve.rows[-1] if self.curve.rows else {}
                stop = report is not None and not report(self.iteration, row)
                due = time.monotonic() - saved > CHECKPOINT_SECONDS and writer is not None and not writer.busy
                wanted = Decision(save=due or stop, stop=stop)
            decided = clock.agree(self.iteration, wanted)
            if last:
                return
            if decided.save:
                state = self._state()
                if writer and self.workers.rank == 0:
                    writer.write(Snapshot(state))
                saved = time.monotonic()
            if decided.stop:
                return

    def _log(self, loss: float, iterations: int, seconds: float) -> None:
        """Add a row to the curve, of so many iterations since the one before it. Raises StageError as ``run``."""
        row = {
            "iteration": self.iteration,
            "loss": loss,
            "lr": learning_rate(self.recipe, self.iteration - 1, self.iterations),
            "images_per_second": iterations * self.recipe.batch / seconds,
            "feature_std": float(self.method.feature_std()),
        }
        self.curve.rows.append(row)
        if not math.isfinite(loss):
            raise StageError(
                f"the loss is {loss} at iteration {self.iteration} of {self.iterations}: lower the learning rate."
            )
        if self.iteration in self.monitor.at:
            row |= self.monitor.check(self.backbone)

    def step(self) -> Tensor:
        """One iteration. Returns this worker's mean loss, without waiting for the device."""
        batch = self.batches.batch(self.iteration)
        with precision_context(self.workers.device, self.precision):
            loss = self.method.step(batch, self.workers)
        self.optimiser.step(learning_rate(self.recipe, self.iteration, self.iterations))
        self.iteration += 1
        return loss

    def _warm_up(self) -> None:
        """Run one iteration and discard it, so that sums over workers have their final order.

        DistributedDataParallel rearranges its buckets after its first backward, and with three workers or more the
        place of a gradient in a bucket decides in which order it is summed. Without this the first iteration after a
        checkpoint would differ in its last bits from the same one of a stage never interrupted.
        """
        before = self.state()
        with precision_context(self.workers.device, self.precision):
            self.method.step(self.batches.batch(0), self.workers)
        self.optimiser.clear()
        self.restore(before)

    def state(self) -> bytes:
        """Everything that decides what follows, as a checkpoint; all workers take part."""
        return Snapshot(self._state()).to_bytes()

    def _state(self) -> dict[str, Any]:
        """The tensors in use; every worker's own running statistics, since they are averaged last."""
        return {
            "iteration": self.iteration,
            "method": _unwrapped(self.method.state_dict()),
            "optimiser": self.optimiser.state(),
            "statistics": [self.workers.gather(tensor[None]) for tensor in statistics(self.backbone)],
            "rows": self.curve.rows,
            "seconds": self.curve.seconds,
            "start": self.curve.start,
        }

    def restore(self, data: bytes) -> None:
        """Continue from ``state()``, also with another number of workers (then from the mean of their statistics)."""
        state = torch.load(io.BytesIO(data), map_location=self.workers.device, weights_only=True)
        wrapped = {_unwrapped_name(name): name for name in self.method.state_dict()}
        self.method.load_state_dict({wrapped[name]: tensor for name, tensor in state["method"].items()})
        self.optimiser.restore(state["optimiser"])
        for tensor, each in zip(statistics(self.backbone), state["statistics"], strict=True):
            tensor.copy_(each[self.workers.rank] if len(each) == self.workers.size else each.mean(dim=0))
        self.iteration = state["iteration"]
        self.curve = Curve(state["rows"], state["seconds"], state["start"])


def _unwrapped_name(name: str) -> str:
    return name.replace("student.module.", "student.", 1)


def _unwrapped(state: dict[str, Any]) -> dict[str, Any]:
    return {_unwrapped_name(name): tensor for name, tensor in state.items()}
