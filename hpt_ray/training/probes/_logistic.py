"""Logistic regression where features are many: in float32, a chunk of examples at a time, on any device.

The objective, its optimiser and when that stops are scikit-learn's LogisticRegression's with ``lbfgs``; that holds
everything in float64 and computes on CPUs. Here loss and gradient are sums in float64 of chunks in float32, so that a
million examples lose no more digits than thousands, and memory is that of the features once more in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

#: Examples at a time. It decides the last bits, so it is the same everywhere.
CHUNK = 8192
#: As in ``linear``: what scikit-learn is asked for, and what it asks of scipy beyond.
ITERATIONS, TOLERANCE, LINE_SEARCH, LOSS_TOLERANCE = 300, 1e-4, 50, 64 * np.finfo(np.float64).eps

Floats = NDArray[np.float32]
Weights = NDArray[np.float64]
#: (logits [b, K], wanted) -> their loss, a sum in float64 ([K] where each column has its own), and its gradient [b, K].
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Standardiser:
    """Features [n, d] centred and scaled, in float32, on a device, chunk by chunk: by those it was made of."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    device: torch.device

    @classmethod
    def of(cls, features: Floats, device: torch.device) -> Standardiser:
        parts = [features[start : start + CHUNK] for start in range(0, len(features), CHUNK)]
        mean = sum(part.sum(axis=0, dtype=np.float64) for part in parts) / len(features)
        std = np.sqrt(sum(((part - mean) ** 2).sum(axis=0) for part in parts) / len(features))
        return cls(mean, np.where(std < 1e-8, 1.0, std), device)

    def __call__(self, features: Floats) -> Iterator[Tensor]:
        for start in range(0, len(features), CHUNK):
            chunk = (features[start : start + CHUNK] - self.mean) / self.std
            yield torch.from_numpy(chunk.astype(np.float32)).to(self.device)


def softmax_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy with labels [b]."""
    log = logits.log_softmax(dim=1)
    loss = -log.gather(1, labels[:, None]).sum(dtype=torch.float64)
    slope = log.exp()
    slope[torch.arange(len(labels), device=labels.device), labels] -= 1
    return loss, slope


def sigmoid_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy with each column of targets [b, K], without those that are negative: unknown."""
    known = targets >= 0
    loss = torch.where(known, softplus(logits) - targets * logits, 0).sum(dim=0, dtype=torch.float64)
    return loss, torch.where(known, logits.sigmoid() - targets, 0)


class Regression:
    """The regressions [K] of a training split: one multinomial one of K classes, or K that share nothing but a penalty.

    Args:
        chunks: standardised features, float32 [b, d] each; kept on their device.
        wanted: labels [n] below ``outputs``, or targets [n, outputs] that are 1, 0 or negative where unknown.
    """

    def __init__(self, chunks: Iterable[Tensor], wanted: NDArray[Any], outputs: int) -> None:
        self.loss: Loss = softmax_loss if wanted.ndim == 1 else sigmoid_loss
        self.chunks, self.outputs = list(chunks), outputs
        parts = torch.split(torch.from_numpy(wanted), CHUNK)
        self.wanted = [part.to(chunk.device) for part, chunk in zip(parts, self.chunks, strict=True)]
        # Each column has as many examples as are known in it.
        known = np.array([len(wanted)]) if wanted.ndim == 1 else (wanted >= 0).sum(axis=0)
        self.examples = torch.from_numpy(known).to(self.chunks[0].device)

    def objective(self, flat: Weights, inverse: float) -> tuple[float, Weights]:
        """The mean loss + |w|^2 / (2 C n), of each column its own n, and its gradient.

        Args:
            flat: weights and intercepts [K * (d + 1)]. inverse: C, the inverse penalty.
        """
        device = self.chunks[0].device
        weights = torch.from_numpy(flat.reshape(self.outputs, -1)).to(device)
        matrix, intercept = weights[:, :-1], weights[:, -1]
        single = matrix.float().T, intercept.float()
        value = (matrix**2 / (2 * inverse) / self.examples[:, None]).sum()
        gradient = torch.cat([matrix / inverse, torch.zeros_like(intercept)[:, None]], dim=1)
        for chunk, wanted in zip(self.chunks, self.wanted, strict=True):
            loss, slope = self.loss(torch.addmm(single[1], chunk, single[0]), wanted)
            value += (loss / self.examples).sum()
            gradient[:, :-1] += slope.T @ chunk
            gradient[:, -1] += slope.sum(dim=0, dtype=torch.float64)
        return float(value), (gradient / self.examples[:, None]).cpu().numpy().ravel()

    def path(self, inverses: Iterable[float], tolerance: float = TOLERANCE) -> Iterator[tuple[float, Tensor]]:
        """Each inverse penalty C and its weights [K, d + 1], the intercept last.

        Each fit begins at the last one's end, and ends where no component of the gradient is above ``tolerance``.
        """
        from scipy.optimize import minimize

        flat = np.zeros(self.outputs * (self.chunks[0].shape[1] + 1))
        options: Any = {"maxiter": ITERATIONS, "maxls": LINE_SEARCH, "gtol": tolerance, "ftol": LOSS_TOLERANCE}
        for inverse in inverses:
            optimum = minimize(self.objective, flat, args=(inverse,), jac=True, method="L-BFGS-B", options=options)
            flat = optimum.x
            yield inverse, torch.from_numpy(flat.reshape(self.outputs, -1)).to(self.chunks[0].device)


def scores(weights: Tensor, chunks: Iterable[Tensor]) -> Floats:
    """The logits [n, K] of standardised features, float32."""
    matrix, intercept = weights[:, :-1].float(), weights[:, -1].float()
    return torch.cat([torch.addmm(intercept, chunk, matrix.T).cpu() for chunk in chunks]).numpy()
