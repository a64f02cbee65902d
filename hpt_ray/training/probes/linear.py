"""Linear probe: multinomial logistic regression on frozen features, its L2 penalty chosen on val.

Convex, so it has one solution and no learning rate, repeats or checkpoint to choose; the paper's SGD probe optimises
the same objective (without penalty) on augmented images.
"""

from __future__ import annotations

import warnings

import numpy as np

from hpt_ray.errors import DataError
from hpt_ray.training.features import standardised
from hpt_ray.training.probe import Answer, Subject, best

#: Inverse penalties C, strongest penalty first: of equally good ones on val, the simplest model wins.
INVERSE_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def probe(subject: Subject) -> list[Answer]:
    """Fit on train, choose C on val, predict test with the chosen one.

    Features are standardised by the training split, so that the penalty means the same for every backbone.

    Raises:
        DataError: for a training split of one class.
    """
    # Here, for the sake of those who only ask what options a probe has: it takes a second.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    splits = subject.features
    if len(np.unique(splits["train"].labels)) < 2:
        raise DataError("train has labelled images of one class only; a linear probe needs at least two.")
    x = standardised(splits)
    model = LogisticRegression(solver="lbfgs", tol=1e-4, max_iter=300, warm_start=True)
    fitted = []
    with warnings.catch_warnings():
        # Weak penalties on separable features crawl towards infinity; val then decides as for any other candidate.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for inverse in INVERSE_PENALTIES:
            model.set_params(C=inverse).fit(x["train"], splits["train"].labels)
            fitted.append(((inverse, model.coef_.copy(), model.intercept_.copy()), model.predict(x["val"])))
    (inverse, coefficients, intercept), val = best(fitted, splits["val"].labels)
    model.coef_, model.intercept_ = coefficients, intercept
    return [Answer(val.astype(np.int64), model.predict(x["test"]).astype(np.int64), {"C": inverse})]
