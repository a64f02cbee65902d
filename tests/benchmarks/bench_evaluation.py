"""What an evaluation costs at sizes beyond the quick scale's: seconds and memory, each way on its own.

python -m tests.benchmarks.bench_evaluation [knn | features | linear]
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from sklearn._loss import HalfMultinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss

from hpt_ray.training import footprint
from hpt_ray.training.backbone import build
from hpt_ray.training.features import outputs
from hpt_ray.training.probes._logistic import Regression, Standardiser
from hpt_ray.training.probes._nearest import largest, largest_of_tensor
from tests.support import tiny


def cpu_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The least of some repeats, of this process alone: others may use the cores, too."""
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


def knn(bank: int = 120_000, dim: int = 2048, queries: int = 32, most: int = 200) -> None:
    """Finding the nearest of a bank by a full sort and by a partition, beside computing the similarities."""
    rng = np.random.default_rng(0)
    known = rng.standard_normal((bank, dim), dtype=np.float32)
    similarity = (known[:queries] @ known.T / dim).astype(np.float32)
    ways = {
        "similarities": lambda: known[:queries] @ known.T,
        "full sort": lambda: np.argsort(-similarity, axis=1, kind="stable")[:, :most],
        "partition": lambda: np.stack([largest(row, most) for row in similarity]),
        "torch.topk": lambda: largest_of_tensor(torch.from_numpy(similarity), most).numpy(),
    }
    expected = ways["full sort"]()
    for name, work in ways.items():
        same = "" if name == "similarities" or np.array_equal(work(), expected) else "  OTHER NEIGHBOURS"
        print(f"{name:>14}  {1e3 * cpu_seconds(work) / queries:6.2f} ms a query among {bank:,} x {dim:,}{same}")


def _peak(chunk_bytes: int, size: int) -> tuple[float, float]:
    """GiB that the features of 256 images take above what the process had before, at the peak, and CPU seconds."""
    footprint.BYTES = chunk_bytes
    network, data = build("resnet50", 0, size), tiny.dataset(256, size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = cpu_seconds(lambda: outputs(network, data, np.arange(256), size, torch.device("cpu")), repeats=1)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20, seconds


def features(size: int = 224) -> None:
    """ResNet-50 at 224 px: 256 images at once, and as many as the budget allows."""
    for name, chunk_bytes in (("256 at once", 2**40), ("by bytes", footprint.BYTES)):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            gibibytes, seconds = pool.submit(_peak, chunk_bytes, size).result()
        print(f"{name:>14}  {gibibytes:5.2f} GiB at the peak, {seconds:.0f} s of CPU for 256 images")


def linear(examples: int = 6_000, dim: int = 1024, classes: int = 60) -> None:
    """One look at the objective and its gradient, of which a fit takes up to 300 for each of five penalties."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((examples, dim), dtype=np.float32), rng.integers(0, classes, examples)
    weights = rng.normal(0, 0.01, classes * (dim + 1))
    exact = LinearModelLoss(HalfMultinomialLoss(n_classes=classes), fit_intercept=True)
    double, wanted = x.astype(np.float64), labels.astype(np.float64)
    matrix = weights.reshape((classes, -1), order="F").copy(order="F")
    chunked = Regression(Standardiser.of(x, torch.device("cpu"))(x), labels, classes)
    passes = 4 * examples * dim * classes
    for name, work in (
        ("scikit-learn", lambda: exact.loss_gradient(matrix, double, wanted, n_threads=1)),
        ("in chunks", lambda: chunked.objective(weights, 1.0)),
    ):
        seconds = cpu_seconds(work)
        large = 4 * 120_000 * 2048 * 345 / passes * seconds
        fit = 1500 * large / 60
        print(
            f"{name:>14}  {1e3 * seconds:6.0f} ms for {examples:,} x {dim:,} x {classes} ({passes / seconds / 1e9:.0f} "
            f"GFLOP/s); of 120,000 x 2,048 x 345 that would be {large:.1f} s, and 1,500 of them {fit:,.0f} min"
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ("knn", "features", "linear"):
        {"knn": knn, "features": features, "linear": linear}[name]()
