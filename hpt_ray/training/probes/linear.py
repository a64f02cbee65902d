"""Linear probe: logistic regression on frozen features, its L2 penalty chosen on val.

It is multinomial where each image has one label; of several, each class has a regression of its own (one against the
rest, on the images where it is known), all with the same penalty.

Convex, so it has one solution and no learning rate, repeats or checkpoint to choose; the paper's SGD probe optimises
the same objective (without penalty) on augmented images.

Up to ``LIMIT`` scikit-learn fits it, with all features in float64; beyond, ``_logistic`` does the same in float32, a
chunk of examples at a time and on the device.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpt_ray.core.errors import DataError
from hpt_ray.core.metric import Metric
from hpt_ray.core.targets import both
from hpt_ray.training.features import Split, standardised
from hpt_ray.training.probe import Answer, Predicted, Subject, best
from hpt_ray.training.probes._logistic import Regression, Standardiser, scores

#: Inverse penalties C, strongest penalty first: of equally good ones on val, the simplest model wins.
INVERSE_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
#: Examples x features x classes (of which at least ``FEW`` are counted) that scikit-learn is given: at most 2 GiB of
#: features, and minutes on a core. It follows from the data and the backbone alone, which are part of the identity.
LIMIT, FEW = 2**31, 8


def probe(subject: Subject) -> list[Answer]:
    """Fit on train, choose C on val, predict test with the chosen one.

    Features are standardised by the training split, so that the penalty means the same for every backbone.

    Raises:
        DataError: for a training split of one class.
    """
    splits = subject.features
    train = splits["train"]
    classes = len(np.unique(train.labels)) if train.targets is None else train.targets.shape[1]
    if train.targets is None and classes < 2:
        raise DataError("train has labelled images of one class only; a linear probe needs at least two.")
    if train.features.size * max(classes, FEW) > LIMIT:
        return [_in_chunks(splits, subject.metric, subject.device)]
    if train.targets is not None:
        return [_one_vs_rest(splits, train.targets, subject.metric)]
    x = standardised(splits)
    fitted = []
    for inverse, model in _path(x["train"], splits["train"].labels):
        fitted.append(((inverse, model.coef_.copy(), model.intercept_.copy()), model.predict(x["val"])))
    (inverse, coefficients, intercept), val = best(fitted, splits["val"].labels, subject.metric)
    model.coef_, model.intercept_ = coefficients, intercept
    return [Answer(val.astype(np.int64), model.predict(x["test"]).astype(np.int64), {"C": inverse})]


def _path(x: NDArray[Any], labels: NDArray[Any]) -> Iterator[tuple[float, Any]]:
    """Each penalty and the model fitted with it: one model, that begins each fit where the last one ended."""
    # Here, for the sake of those who only ask what options a probe has: it takes a second.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="lbfgs", tol=1e-4, max_iter=300, warm_start=True)
    for inverse in INVERSE_PENALTIES:
        with warnings.catch_warnings():
            # Weak penalties on separable features crawl towards infinity; val then decides as for any other candidate.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=inverse).fit(x, labels)
        yield inverse, model


def _one_vs_rest(splits: dict[str, Split], targets: NDArray[np.int8], metric: Metric) -> Answer:
    x = standardised(splits)
    tried, classes = len(INVERSE_PENALTIES), targets.shape[1]
    scores = {name: np.full((tried, len(x[name]), classes), np.nan, np.float32) for name in ("val", "test")}
    for column in np.flatnonzero(both(targets)):
        known = targets[:, column] >= 0
        for place, (_, model) in enumerate(_path(x["train"][known], targets[known, column])):
            for name, split_scores in scores.items():
                split_scores[place, :, column] = model.decision_function(x[name])
    place, val = best(enumerate(scores["val"]), splits["val"].wanted, metric)
    return Answer(val, scores["test"][place], {"C": INVERSE_PENALTIES[place]})


def _in_chunks(splits: dict[str, Split], metric: Metric, device: torch.device) -> Answer:
    train = splits["train"]
    if train.targets is not None:
        learned: NDArray[np.int64] = np.flatnonzero(both(train.targets))
        wanted: NDArray[Any] = train.targets[:, learned]
        outputs = len(learned)
    else:
        learned, wanted = np.unique(train.labels, return_inverse=True)
        outputs = len(learned)
        if outputs == 2:  # one regression, as scikit-learn has it: with two, the penalty would weigh half as much
            wanted, outputs = wanted[:, None], 1

    def predicted(logits: NDArray[np.float32]) -> Predicted:
        if train.targets is not None:
            answer = np.full((len(logits), train.targets.shape[1]), np.nan, np.float32)
            answer[:, learned] = logits
            return answer
        classes: NDArray[np.int64] = learned[logits.argmax(axis=1) if outputs > 1 else (logits[:, 0] > 0).astype(int)]
        return classes

    standardise = Standardiser.of(train.features, device)
    val, test = (list(standardise(splits[name].features)) for name in ("val", "test"))
    fitted = Regression(standardise(train.features), wanted, outputs).path(INVERSE_PENALTIES)
    candidates = ((fit, predicted(scores(fit[1], val))) for fit in fitted)
    (inverse, weights), chosen = best(candidates, splits["val"].wanted, metric)
    return Answer(chosen, predicted(scores(weights, test)), {"C": inverse})
