"""The schema of results: three tables, with a column for every axis; nothing is ever parsed from a path or a log.

``results``      one row per cell x evaluation x metric x class x split x iteration x repeat; a missing or failed cell
                 has a null ``value``, explained by ``status`` and ``reason``; for a class without an AUROC, by
                 ``reason`` alone.
``predictions``  one row per test example of each evaluation: the basis of paired intervals.
``curves``       training by iteration.

A stage writes ``STAGE_RESULTS``, ``PREDICTIONS`` or ``CURVES``; a run adds the axes of its cells in front, with one
column per factor.
"""

from __future__ import annotations

import pyarrow as pa

#: What a cell is: shared by all three tables of a run. Factor columns (string) follow ``arm``. A null level or seed
#: means that the cell does not depend on it: direct transfer is the same at every target policy and seed.
AXES = pa.schema(
    [
        ("study", pa.string()),
        ("target", pa.string()),
        ("arm", pa.string()),
        ("seed", pa.int64()),
    ]
)

STAGE_RESULTS = pa.schema(
    [
        ("evaluation", pa.string()),  # linear, knn, or as the study calls it
        ("metric", pa.string()),  # accuracy (share of correct) or, of multi-label data, auroc
        ("class", pa.string()),  # of an auroc; null: the mean over the classes that have one, and any accuracy
        ("split", pa.string()),  # val (model selection) or test (reported once)
        ("repeat", pa.int64()),
        ("value", pa.float64()),
        ("n", pa.int64()),  # examples behind the value
    ]
)

RESULTS = pa.schema(
    [
        ("iteration", pa.int64()),  # of the arm's last phase: 0 is the value before it began (step 0)
        *STAGE_RESULTS,
        ("seconds", pa.float64()),  # of the last pretraining phase
        ("images", pa.int64()),  # images seen by the last pretraining phase
        ("trained", pa.int64()),  # weights of the network that the last pretraining phase trained
        ("device", pa.string()),
        ("status", pa.string()),  # done, failed, missing
        ("reason", pa.string()),
        ("stage", pa.string()),  # id of the evaluation stage
        ("weights", pa.string()),  # id of the stage whose weights were evaluated; null: random initialisation
        ("parents", pa.list_(pa.string())),  # ids of all pretraining stages behind them, first phase first
        ("version", pa.string()),
    ]
)

PREDICTIONS = pa.schema(
    [
        ("evaluation", pa.string()),
        ("repeat", pa.int64()),
        ("example", pa.int64()),  # index of the image in its data set
        ("label", pa.int64()),  # null of multi-label data, as the prediction
        ("prediction", pa.int64()),
        ("labels", pa.list_(pa.int8())),  # of multi-label data: 1, 0 or -1 (unknown) for each class
        ("scores", pa.list_(pa.float32())),  # for each class; NaN where train had not both values
        ("group", pa.string()),  # such as the patient that the image is of; null: it is alone
    ]
)

CURVES = pa.schema(
    [
        ("phase", pa.string()),  # role and what it may change: target, target:bn, base
        ("iteration", pa.int64()),
        ("loss", pa.float64()),
        ("lr", pa.float64()),
        ("images_per_second", pa.float64()),
        ("feature_std", pa.float64()),  # mean over dimensions of the std of normalised projections; 0 is collapse
        # The online monitor's, at some iterations only; the rest of their row is null at iteration 0, before training.
        ("knn", pa.float64()),  # accuracy of weighted kNN on val; null without labels
        ("effective_rank", pa.float64()),  # of the same images' features; 1 is a line, 0 a point
        ("n", pa.int64()),  # images behind the two
        ("stage", pa.string()),
    ]
)

#: Columns that a run of an earlier version lacks: all null.
LATER = {"predictions": ("group",), "results": ("trained",)}

TABLES = {"results": RESULTS, "predictions": PREDICTIONS, "curves": CURVES}

#: Real augmented views, for the report: ``policy`` is a level or "original".
VIEWS = pa.schema([("policy", pa.string()), ("example", pa.int64()), ("view", pa.int64()), ("png", pa.binary())])
