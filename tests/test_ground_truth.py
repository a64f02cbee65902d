"""The study finds what is known to be there: in these domains one factor decides the class, and each operation is known
to keep or to destroy it. ``shape`` is the control: neither colour nor reflection says anything about its classes.

What colour operations cost is asked of MoCo-v2: with labels, a short training gains on ``shape`` too when they go, as
its task becomes easier. What flips cost is asked of training with labels: within minutes MoCo-v2 learns too little
about ``orientation`` to have something to lose. The hue is jittered by the paper's 0.4 turns: after the quick scale's
0.1 the eight hues can still be told apart. Features are judged by their neighbours, as the augmentations arrange them:
a linear probe also finds what was there at random.
"""

from __future__ import annotations

from typing import Any

import pytest

import hpt_ray
from hpt_ray.analysis.claim import Outcome, judge
from hpt_ray.analysis.measures.robustness import gain, robustness
from hpt_ray.analysis.measures.run import SCRATCH, Run
from hpt_ray.analysis.measures.text_format import change_interval
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.spec.policy import with_hue
from hpt_ray.spec.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

COLOUR, ORIENTATION, SHAPE = (f"synthetic:{name},n=2000" for name in ("colour", "orientation", "shape"))

#: Per policy that is held against the baseline: the domain that must gain from it, and how the features are trained.
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "no_color_no_grayscale": (COLOUR, {"method": "moco_v2", "iterations": 150}),
    "no_flip": (ORIENTATION, {"method": "supervised", "iterations": 200}),
}


def study(policy: str) -> Study:
    """The augmentation ablation from scratch, at the quick scale but for the jitter of hue."""
    domain, settings = QUESTIONS[policy]
    made = hpt_ray.make(
        "augment_ablation", target=(domain, SHAPE), policies=("baseline", policy), arms=(SCRATCH,), seeds=3, **settings
    )
    (factor,) = made.factors
    levels = {name: with_hue(level, 0.4) for name, level in factor.levels.items()}
    return made.model_copy(update={"factors": (factor.model_copy(update={"levels": levels}),)})


@pytest.fixture(scope="module", params=QUESTIONS)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Run]:
    """A policy and the run that holds it against the baseline."""
    result = hpt_ray.run(study(request.param), runner="inline", store=tmp_path_factory.mktemp("store"))
    assert not result.failures
    return request.param, result.run


def change(run: Run, domain: str, policy: str) -> Interval:
    """The change of test accuracy, by weighted kNN, from the baseline to a policy."""
    found = robustness(run, domain, SCRATCH, evaluation="knn")
    assert found is not None
    print(f"{domain}, from the baseline to {policy}: {change_interval(found.changes[policy])} points")
    return found.changes[policy]


def test_classes_gain_from_the_removal_of_what_destroys_them(asked: tuple[str, Run]) -> None:
    policy, run = asked
    coded, _ = QUESTIONS[policy]
    learned = gain(run, coded, SCRATCH, policy, evaluation="knn")
    assert learned is not None
    assert judge(learned) is Outcome.BETTER
    assert judge(change(run, coded, policy)) is Outcome.BETTER


def test_classes_coded_by_shape_do_not(asked: tuple[str, Run]) -> None:
    """Not shown to gain, and by less than the other classes whatever the truth within both intervals."""
    policy, run = asked
    coded, _ = QUESTIONS[policy]
    of_shape = change(run, SHAPE, policy)
    assert judge(of_shape) is not Outcome.BETTER
    assert of_shape.high < change(run, coded, policy).low
