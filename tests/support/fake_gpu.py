"""A GPU that is not there: tensors on cuda:0 have shapes and no numbers, and what a real one would wait for is noted.

All of a step runs but the derivatives, whose place alone is kept: `make gpu-check` looks at those on a real GPU.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hpt_ray.training import ahead, pixels

GPU = torch.device("cuda", 0)
ATEN = torch.ops.aten
#: Their results, or the shapes of them, are known only when the GPU has computed them.
SYNCHRONISING = {
    ATEN._local_scalar_dense,
    ATEN.nonzero,
    ATEN.masked_select,
    ATEN.is_nonzero,
    ATEN.equal,
    ATEN.unique_dim,
    ATEN._unique2,
    ATEN.repeat_interleave,
}


class FakeGPU(TorchDispatchMode):
    """Operations on the CPU stay real. Notes copies to the GPU that are not from pinned memory or wait, and every
    synchronisation."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.pinned: dict[int, Tensor] = {}
        self.copies: list[str] = []
        self.unpinned: list[str] = []
        self.synchronisations: list[str] = []

    def pin(self, tensor: Tensor) -> Tensor:
        """A copy in memory that is taken for pinned."""
        copied = tensor.clone()
        self.pinned[copied.data_ptr()] = copied
        return copied

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        device = kwargs.get("device")
        if kwargs.get("pin_memory"):
            empty = func(*args, **kwargs | {"pin_memory": False})
            self.pinned[empty.data_ptr()] = empty
            return empty
        to_gpu = device is not None and torch.device(device).type == "cuda"
        if not to_gpu and not any(isinstance(tensor, FakeTensor) for tensor in tensors):
            return func(*args, **kwargs)
        self._note(func, tensors, kwargs, device)
        if func is ATEN._fused_sgd_.default:
            return None  # in place, and torch does not know its shapes
        if func is ATEN._to_copy.default and not isinstance(args[0], FakeTensor):
            # Never through a fake twin of what is copied: a parameter with one cannot be moved.
            like = func(
                torch.empty_strided(args[0].shape, args[0].stride(), dtype=args[0].dtype, device="meta"),
                **(kwargs | {"device": "meta", "non_blocking": False}),
            )
            with self.fake:
                return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=GPU)
        with self.fake:
            return func(*args, **kwargs)

    def _note(self, func: Any, tensors: list[Tensor], kwargs: Any, device: Any) -> None:
        packet, what = func.overloadpacket, str(func)
        if packet in (ATEN._to_copy, ATEN.copy_):
            source = tensors[-1]
            target = tensors[0].device if packet is ATEN.copy_ else torch.device(device or source.device)
            if source.device.type == "cpu" and target.type == "cuda":
                asynchronous = kwargs.get("non_blocking") or (packet is ATEN.copy_)
                self.copies.append(what)
                if source.data_ptr() not in self.pinned or not asynchronous:
                    self.unpinned.append(f"{what} of {tuple(source.shape)}")
            elif source.device.type == "cuda" and target.type == "cpu":
                self.synchronisations.append(what)
        elif packet in SYNCHRONISING:
            self.synchronisations.append(what)
        elif packet in (ATEN.index, ATEN.index_put, ATEN.index_put_):
            # Positions are copied to the GPU, and of a mask they must be counted.
            positions = [tensor for tensor in tensors[1:] if tensor.dtype in (torch.int64, torch.bool)]
            self.unpinned += [f"{what} by {p.dtype}" for p in positions if p.device.type == "cpu" and p.ndim]
            self.synchronisations += [f"{what} by a mask" for p in positions if p.dtype == torch.bool]


def _backward(loss: Tensor, gradient: Tensor | None = None) -> None:
    """Gives each parameter behind a loss a gradient of its shape: autograd itself asks for the driver of a GPU."""
    nodes, seen = [loss.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            node.variable.grad = torch.zeros_like(node.variable)
        nodes += [following for following, _ in node.next_functions]


class Stream:
    """Notes in which order copies and computations would run."""

    def __init__(self, device: torch.device = GPU) -> None:
        self.events: list[object] = []
        self.waits_for: list[object] = []

    def record_event(self) -> object:
        self.events.append(object())
        return self.events[-1]

    def wait_event(self, event: object) -> None:
        self.waits_for.append(event)


class Inline(Executor):
    """Computes at once, in this thread: what is faked is not faked in others."""

    def __init__(self, *_: Any) -> None:
        pass

    def submit(self, work: Any, /, *given: Any, **more: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*given, **more))
        return done


@contextlib.contextmanager
def fake_gpu(monkeypatch: Any, memory: int = 2**40) -> Iterator[FakeGPU]:
    """Within, ``GPU`` can be used. It has so many free bytes."""
    torch._C._ensureCUDADeviceGuardSet()
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    computing = Stream()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: computing)
    monkeypatch.setattr(Tensor, "record_stream", lambda *_: None)
    monkeypatch.setattr(pixels, "free_memory", lambda _: memory)
    monkeypatch.setattr(pixels, "_kept", OrderedDict())
    monkeypatch.setattr(ahead, "ThreadPoolExecutor", Inline)
    monkeypatch.setattr(Tensor, "backward", _backward)
    monkeypatch.setattr(torch.autograd, "grad", lambda output, tensor: (torch.zeros_like(tensor),))
    with FakeGPU() as gpu:
        monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: gpu.pin(tensor))  # noqa: PLW0108  # a method would be bound to the tensor
        yield gpu
