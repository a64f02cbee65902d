"""The state of an unfinished stage: copied at once, then serialised and written by a thread."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol

import torch
from torch import Tensor


class Checkpoints(Protocol):
    """Where an unfinished stage keeps its last state; ``write`` replaces it whole or not at all."""

    def read(self) -> bytes | None: ...
    def write(self, data: bytes) -> None: ...


class Snapshot:
    """A copy of a nested state (dictionaries, lists, tensors, plain values) on the host, as it is at this moment."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.on_gpu = False
        self.state = self._copy(state)
        # The copies from a GPU are only queued: this tells when they are done.
        self.event = torch.cuda.current_stream().record_event() if self.on_gpu else None

    def to_bytes(self) -> bytes:
        """The copy as a file that ``torch.load(weights_only=True)`` reads; waits for the GPU to make it."""
        if self.event is not None:
            self.event.synchronize()
        buffer = io.BytesIO()
        torch.save(self.state, buffer)
        return buffer.getvalue()

    def _copy(self, item: Any) -> Any:
        if isinstance(item, Tensor):
            self.on_gpu = self.on_gpu or item.is_cuda
            host = torch.empty_like(item, device="cpu", pin_memory=item.is_cuda, requires_grad=False)
            return host.copy_(item.detach(), non_blocking=True)
        if isinstance(item, dict):
            return {name: self._copy(value) for name, value in item.items()}
        return [self._copy(value) for value in item] if isinstance(item, list) else item


class Writer:
    """Writes snapshots in the background, one at a time; as a context it ends when the last one is written.

    An error of writing is raised by the next ``write`` or at the end.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self.thread = ThreadPoolExecutor(1, "checkpoint")
        self.written: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a snapshot is being written."""
        return self.written is not None and not self.written.done()

    def write(self, snapshot: Snapshot) -> None:
        """Begin to write, once the one before is written."""
        self._finish()
        self.written = self.thread.submit(self._write, snapshot.to_bytes)

    def _write(self, to_bytes: Callable[[], bytes]) -> None:
        self.checkpoints.write(to_bytes())

    def _finish(self) -> None:
        if self.written is not None:
            self.written.result()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.thread.shutdown(wait=True)
        if error is None:
            self._finish()
