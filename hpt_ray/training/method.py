"""The interface of a pretraining method: its networks, and one step over a batch of groups."""

from __future__ import annotations

import copy
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar, get_args

import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hpt_ray.core.errors import StudyError, explain
from hpt_ray.core.identity import derived_seed
from hpt_ray.core.registry import load
from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.normalisation import batch_norms
from hpt_ray.training.workers import Workers

Network = TypeVar("Network", bound=nn.Module)
#: The order in which a view's images fill the groups: that of the batch, or another one in each iteration.
Order = Literal["batch", "shuffled"]


@dataclass(frozen=True)
class Batch:
    """One iteration's global batch, cut into groups; a worker has the views of its own groups alone.

    Attributes:
        iteration: counts from 0.
        size: images in the global batch. group: images in a normalisation group.
        view: which one of the method's ``views`` -> this worker's groups of it, each [group, C, S, S] and normalised.
        iterations: the stage's whole budget, for schedules that belong to a method.
        trunk: so many iterations come before these schedules begin, as the learning rate's does: other budgets share
            them.
        labels: of this worker's groups in the batch's order, each int64 [group], -1 where there is none.
        shuffled: the batch's positions in the order of shuffled views, int64 [size] on the device.
        drawn: what the method's ``draws`` gave, on the device.
    """

    iteration: int
    size: int
    group: int
    view: Callable[[int], tuple[Tensor, ...]]
    iterations: int = field(kw_only=True)
    labels: tuple[Tensor, ...] = field(kw_only=True)
    shuffled: Tensor = field(kw_only=True)
    drawn: Mapping[str, Tensor] = field(default_factory=dict, kw_only=True)
    trunk: int = field(default=0, kw_only=True)

    @property
    def groups(self) -> int:
        """How many there are in the global batch."""
        return self.size // self.group


class Method(nn.Module, ABC):
    """A pretraining method over a backbone. Subclasses define ``Options``, ``step`` and ``feature_std``.

    ``self.student`` is what the optimiser trains: a module whose ``backbone`` is kept after the stage; everything else
    (heads, teachers, queues) belongs to the method and is dropped.
    """

    Options: type[Frozen]
    #: Whether it learns from labels: its batches are then drawn from the labelled images of the train split alone.
    supervised: ClassVar[bool] = False
    #: The views that a step asks for. They are known beforehand, so that their images are read ahead.
    views: ClassVar[tuple[Order, ...]] = ("batch", "batch")
    #: Whether its loss is of the pooled features that the backbone gives, so that ``:keep`` can hold these.
    of_features: ClassVar[bool] = True
    #: What its loss does while it trains, a sentence for the reader of a report; "" where it just falls.
    loss_text: ClassVar[str] = ""
    student: nn.Module

    @abstractmethod
    def __init__(self, backbone: Backbone, options: Any, seed: int, classes: int) -> None:
        """
        Args:
            options: of this class's ``Options``.
            seed: of the initial values of everything that the method adds to the backbone.
            classes: how many classes the data set has, 0 when it is unlabelled.

        Raises:
            DataError: if the method cannot learn from such data.
        """
        super().__init__()

    @classmethod
    def options(cls, values: dict[str, Any]) -> Any:
        """Validated options. Raises StudyError naming the option that is wrong."""
        unknown = set(values) - set(cls.Options.model_fields)
        if unknown:
            raise StudyError(
                f"{cls.__name__} has no option {min(unknown)!r}; it has: "
                f"{', '.join(sorted(cls.Options.model_fields)) or 'none'}."
            )
        try:
            return cls.Options.model_validate(values)
        except ValidationError as error:
            raise StudyError(f"{cls.__name__}: {explain(error)}.") from error

    @classmethod
    def draws(cls, options: Any, seed: int, iteration: int, batch: int, image_size: int) -> dict[str, NDArray[Any]]:
        """What a step draws besides its views, by name: it goes to the device with them, in the step's one copy.

        Args:
            batch: images in the global batch. image_size: the side of a view in pixels.
        """
        return {}

    @classmethod
    def check(cls, options: Any, batch: int) -> None:
        """Refuse options, or a global batch, that the method cannot work with. Raises StudyError."""

    @classmethod
    def check_backbone(cls, options: Any, backbone: Backbone, image_size: int) -> None:
        """Refuse a network that the method cannot train at an image size; it has no numbers. Raises StudyError."""

    @abstractmethod
    def step(self, batch: Batch, workers: Workers) -> Tensor:
        """Accumulate the gradients of this worker's groups, scaled so that the mean over workers is the gradient of the
        mean loss over the global batch.

        Returns:
            This worker's mean loss (detached, on the device).
        """

    @abstractmethod
    def feature_std(self) -> Tensor:
        """Mean over dimensions of the standard deviation of the last normalised projections: near 0 is collapse,
        1/sqrt(dimensions) is uniform on the sphere (Chen and He, arXiv 2011.10566)."""

    def distribute(self, workers: Workers) -> None:
        """Let the workers average the student's gradients during backward."""
        if workers.size > 1:
            ids = [workers.device.index] if workers.device.type == "cuda" else None
            with warnings.catch_warnings():
                # Its successor is not in every torch that is supported, and running statistics stay a worker's own.
                warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
                self.student = DistributedDataParallel(
                    self.student,
                    device_ids=ids,
                    process_group=workers.training,
                    broadcast_buffers=False,
                    gradient_as_bucket_view=True,
                )

    @property
    def bare_student(self) -> nn.Module:
        """The student without its distributed wrapper."""
        inner = self.student.module if isinstance(self.student, DistributedDataParallel) else self.student
        assert isinstance(inner, nn.Module)
        return inner

    def exchanges(self, groups: int) -> Iterator[AbstractContextManager[None]]:
        """For each of a worker's groups the context of its forward: the backward of the last alone exchanges gradients.

        A group's backward may run in its context, or one backward for all groups after the last forward.
        """
        for group in range(groups):
            student = self.student
            if isinstance(student, DistributedDataParallel) and group < groups - 1:
                yield student.no_sync()
            else:
                yield nullcontext()


def find(name: str) -> type[Method]:
    """The method behind a name, or a path to a Python file.

    Raises:
        UnknownNameError: if there is no such method. StudyError: for a file that cannot be used or defines none.
    """
    method = load("methods", name)
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise StudyError(f"{name}: `method` is no Method but {method!r}: write class Mine(Method) and method = Mine.")
    if unknown := [order for order in method.views if order not in get_args(Order)]:
        raise StudyError(f"{name}: views has the order {unknown[0]!r}; the orders are {' and '.join(get_args(Order))}.")
    return method


class Projected(nn.Module):
    """A backbone with a projection head."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        projection: Tensor = self.head(self.backbone(images))
        return projection


@contextmanager
def initialised(seed: int, name: str) -> Iterator[None]:
    """Initial values drawn inside come from the seed's stream of that name; the global generator stays as it was.

    So every arm of a seed begins with the same head.
    """
    with torch.random.fork_rng(devices=[]):
        # The generator of the CPU alone: torch.manual_seed would reseed the accelerators too, which are not restored.
        torch.default_generator.manual_seed(derived_seed(seed, name))
        yield


def follower(network: Network) -> Network:
    """A copy without gradients, to follow by momentum. It normalises by the images it is given, so nothing reads its
    running statistics, and they stay as they are."""
    copied = copy.deepcopy(network).requires_grad_(False)
    for layer in batch_norms(copied):
        layer.track_running_stats = False
    return copied


@torch.no_grad()
def follow(network: nn.Module, leader: nn.Module, momentum: float) -> None:
    """Each parameter becomes momentum x itself + (1 - momentum) x the leader's of its name (MoCo, eq. 2)."""
    followers, leading = dict(network.named_parameters()), dict(leader.named_parameters())
    torch._foreach_lerp_(list(followers.values()), [leading[name].detach() for name in followers], 1 - momentum)


def target_momentum(base: float, iteration: int, iterations: int, trunk: int = 0) -> float:
    """The momentum of a network that follows: from ``base`` to 1 by half a cosine over the stage's budget, from the end
    of a trunk on (BYOL, arXiv 2006.07733, section 3.3)."""
    elapsed, falling = max(0, iteration - trunk), max(1, iterations - trunk)
    return 1 - (1 - base) * (math.cos(math.pi * elapsed / falling) + 1) / 2


def precision_context(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Autocast to bfloat16, or nothing for float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
