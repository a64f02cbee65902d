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
from typing import Any

import torch
from torch import Tensor

from hpt_ray.core.errors import StageError, StudyError
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.arm import Tune
from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.schedule import learning_rate
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.compiler import compile_backbones
from hpt_ray.training.distillation import Distillation, frozen_copy
from hpt_ray.training.loop.batches import Batches
from hpt_ray.training.loop.checkpoint import Checkpoints, Snapshot, Writer
from hpt_ray.training.loop.clock import Clock, Decision
from hpt_ray.training.loop.curve import Curve, logged
from hpt_ray.training.loop.groups import optimiser
from hpt_ray.training.loop.monitor import Monitor, shared_checks
from hpt_ray.training.method import find, precision_context
from hpt_ray.training.normalisation import GroupStatistics, adapt_only_norm, average_statistics, statistics
from hpt_ray.training.workers import Workers

CHECKPOINT_SECONDS = 60.0
#: Called with an iteration and the latest row of the curve; returns whether to go on.
Report = Callable[[int, dict[str, float]], bool]


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
        self.end: bytes | None = None  # of a trunk: what a stage needs that goes on from there
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
        self.distillation: Distillation | None = None
        if tune == "keep":
            frozen = frozen_copy(backbone).to(memory_format=torch.channels_last).to(device)
            self.distillation = Distillation(frozen, recipe.keep, len(groups) * recipe.group)
        options = method.options(recipe.options)
        method.check(options, recipe.batch)
        self.method = method(backbone, options, seed, len(data.classes))
        self.method.to(memory_format=torch.channels_last).to(device)
        self.method.train()
        if compile:
            compile_backbones(self.method)
        self.backbone = backbone
        GroupStatistics(backbone, len(groups))
        if self.distillation:
            self.distillation.follow(backbone)
        self.trained = [p for p in self.method.bare_student.parameters() if p.requires_grad]
        self.optimiser = optimiser(recipe, self.method.bare_student, backbone)
        self.workers.wait()  # reading the data may take one of them longer than training lets another wait
        self.method.distribute(self.workers)
        self.logged = logged(recipe, iterations)
        self.monitor = Monitor(
            data,
            self.logged,
            batch=recipe.batch,
            image_size=image_size,
            seed=seed,
            workers=self.workers,
            at=None if recipe.schedule == "cosine" else shared_checks(recipe, iterations),
        )
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
            if self.recipe.schedule == "constant":
                self.end = Snapshot(self._state(self.curve.shared())).to_bytes()
            average_statistics(self.backbone, self.workers, self.iteration)
        return self.curve

    def _train(self, writer: Writer | None, report: Report | None) -> None:
        """Iterate until the end of the budget or until ``report`` says to stop."""
        clock, saved, points = Clock(self.workers, self.iteration), time.monotonic(), frozenset(self.logged)
        logged_at, logged_seconds, marked = self.iteration, self.curve.seconds, time.perf_counter()
        while self.iteration < self.iterations:
            loss = self.step()
            last = self.iteration == self.iterations
            logged = self.iteration in points
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
                state = self._state(self.curve)
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
        return loss + self.distillation.taken() if self.distillation else loss

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
        if self.distillation:
            self.distillation.taken()
        self.restore(before)

    def state(self) -> bytes:
        """Everything that decides what follows, as a checkpoint; all workers take part."""
        return Snapshot(self._state(self.curve)).to_bytes()

    def _state(self, curve: Curve) -> dict[str, Any]:
        """The tensors in use; every worker's own running statistics, since they are averaged last."""
        return {
            "iteration": self.iteration,
            "method": _unwrapped(self.method.state_dict()),
            "optimiser": self.optimiser.state(),
            "statistics": [self.workers.gather(tensor[None]) for tensor in statistics(self.backbone)],
            **vars(curve),
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
        self.curve = Curve(**{name: state[name] for name in vars(Curve()) if name in state})


def _unwrapped_name(name: str) -> str:
    return name.replace("student.module.", "student.", 1)


def _unwrapped(state: dict[str, Any]) -> dict[str, Any]:
    return {_unwrapped_name(name): tensor for name, tensor in state.items()}
