"""Which column of anyone's table is what: as it is named, or found by the names that such columns usually have."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from hpt_ray.analysis.measures.column_values import texts_of
from hpt_ray.core.errors import DataError, UnknownNameError

#: What a column is to what it is usually called, the likeliest first. Weights & Biases and MLflow put ``config.``,
#: ``summary.`` or ``params.`` before a name, and many put ``test/``: only what follows counts.
USUAL = {
    "arm": (
        *("arm", "method", "model", "algorithm", "approach", "variant", "name", "model_name", "experiment", "group"),
        *("initialization", "init", "backbone", "encoder", "pretraining"),
    ),
    "seed": ("seed", "random_seed", "fold", "trial", "replicate", "run", "run_id"),
    "example": ("example", "example_id", "image", "image_id", "sample", "sample_id", "filename", "file", "index"),
    "target": ("target", "dataset", "data_set", "task", "benchmark"),
    "level": ("level",),
    "metric": ("metric", "metric_name", "measure"),
    "evaluation": ("evaluation", "probe"),
    "split": ("split", "subset"),
    "step": ("iteration", "step", "global_step", "epoch"),
    "repeat": ("repeat", "repetition"),
    "status": ("status", "state"),
    "group": ("group", "patient", "patient_id", "scene", "scene_id"),
}
#: A column that holds the value whatever it is of, and columns that are called after what they hold.
VALUE = ("value", "metric_value", "score", "result", "correct")
HIGHER = (
    *("accuracy", "acc", "top1", "top_1", "acc1", "balanced_accuracy", "auroc", "auc", "roc_auc", "average_precision"),
    *("map", "map50", "miou", "iou", "dice", "f1", "f1_macro", "macro_f1", "precision", "recall", "r2", "psnr", "ssim"),
)
LOWER = (
    *("loss", "error", "err", "error_rate", "rmse", "mse", "mae", "nll", "cross_entropy", "perplexity", "fid", "ece"),
    *("brier", "wer", "cer", "seconds", "latency"),
)
#: Numbers that are no shares, whatever their size.
NUMBERS = ("loss", "rmse", "mse", "mae", "nll", "cross_entropy", "perplexity", "fid", "psnr", "seconds", "latency")
_BEFORE = re.compile(r"^.*[./]|^_")
_UNIT = re.compile(r"\s*(\[[^]]*\]|\([^)]*\)|%)\s*$")
_STAGES = re.compile(r"^(test|eval|val|valid|validation|final|best|linear|knn|finetune)_|_(test|eval|val)$")


def plain(name: str) -> str:
    """A column's name without what stands around it: "config.Random Seed" is "random_seed", "Top-1 (%)" is "top_1"."""
    return re.sub(r"[\s-]+", "_", _BEFORE.sub("", _UNIT.sub("", name).strip())).lower()


def quantity(name: str) -> str:
    """What a column of values is of: "test/Linear Top1" is "top1"."""
    bare = plain(name)
    while (shorter := _STAGES.sub("", bare)) != bare:
        bare = shorter
    return bare


def called(columns: Iterable[str], kind: str) -> list[str]:
    """The columns that are called as one of a kind usually is, the likeliest first."""
    names = {name: plain(name) for name in columns}
    return [name for usual in USUAL[kind] for name, bare in names.items() if bare == usual]


def existing(table: pd.DataFrame, name: str) -> str:
    """A column that was named.

    Raises:
        UnknownNameError: if there is none of this name.
    """
    if name not in table.columns:
        raise UnknownNameError("column", name, table.columns)
    return name


def arm_column(table: pd.DataFrame, named: str | None, baseline: str) -> str:
    """The column of the arms: the one named, or of those called like one the first that has the baseline in it.

    Raises:
        UnknownNameError: if the baseline is not in it. DataError: if no column is called like one of arms.
    """
    candidates = [existing(table, named)] if named else called(table.columns, "arm")
    if not candidates:
        raise DataError(
            f"no column is called like one of arms ({', '.join(USUAL['arm'][:4])}, ...): name one of "
            f"{', '.join(table.columns)} by --arm."
        )
    for name in candidates:
        if (texts_of(table[name]) == baseline).any():
            return name
    known = texts_of(table[candidates[0]]).dropna().unique()
    raise UnknownNameError(f"arm of the column {candidates[0]!r}:", baseline, known)


def named_values(table: pd.DataFrame, named: str | None) -> list[str]:
    """The columns of values that were named: one, or several separated by commas.

    Raises:
        UnknownNameError: for a column that does not exist.
    """
    if not named or named in table.columns:
        return [named] if named else []
    return list(dict.fromkeys(existing(table, part.strip()) for part in named.split(",")))


def value_column(table: pd.DataFrame, metric: str, taken: Iterable[str]) -> str | None:
    """The column that is called as one of values usually is; None without any.

    Args:
        metric: what it is to be of; "" for any.
        taken: columns that are something else.

    Raises:
        DataError: if several may be meant. UnknownNameError: for a metric that no column is of, where others are.
    """
    free = [name for name in table.columns if name not in taken]
    known = [name for name in free if quantity(name) in {*HIGHER, *LOWER}]
    if metric and (held := [name for name in free if metric in (name, plain(name), quantity(name))]):
        known = held
    elif held := [name for usual in VALUE for name in free if plain(name) == usual]:
        return held[0]
    elif metric and known:
        raise UnknownNameError("metric", metric, known)
    if len(known) > 1:
        raise DataError(
            f"the columns {', '.join(known)} may be the value: choose one by --value, such as --value {known[0]!r}, or "
            "several that are of one metric on several data sets, separated by commas."
        )
    return next(iter(known), None)
