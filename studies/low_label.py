"""Which arm is best to fine-tune when labels are few?

    hpt-study run low_label

At the quick scale: about six minutes on two cores. The whole network is fine-tuned on nested, stratified subsets of
the target's labels and on all of them; learning rate and schedule are chosen on val. Reed et al. (arXiv 2103.12718),
section 4.2: 1,000 labels and all.

Sixty iterations want other learning rates than the paper's 2,500: 0.1 or 0.01, three times that for the head. With all
labels HPT then reaches 46.0 % on val (mean of three seeds after 90 iterations, on one base of 1,200; 44.8 to 47.8 %),
where its linear probe has 42.2 % and the paper's rates end at 30.4 %; every arm comes out above its linear probe. With
24 labels all are near chance.
"""

from typing import Annotated, Unpack

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.recipe import Positive
from hpt_ray.spec.scales import ARMS, BASE, SCALES, TARGET, Arms, Base, Budgets, ScaleName, Seeds, Targets, given_base
from hpt_ray.spec.study import Evaluation, Study

LABELS = {"quick": (120, 600), "paper": (1_000,)}
ITERATIONS = {name: scale.probes["finetune"]["iterations"] for name, scale in SCALES.items()}


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    labels: Annotated[
        tuple[Positive, ...] | None, "numbers of labels to fine-tune with, beside all of them", LABELS
    ] = None,
    finetune_iterations: Annotated[Positive | None, "iterations of fine-tuning", ITERATIONS] = None,
    arms: Arms = ARMS,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    given = SCALES[scale].adjusted(uses=["finetune"], **settings)
    if "labels" in given.probes["finetune"]:
        raise StudyError("finetune.labels is what this study varies: give it by --set labels=.")
    options = given.probes["finetune"] | ({"iterations": finetune_iterations} if finetune_iterations else {})
    few = tuple(
        Evaluation(probe="finetune", name=f"finetune_{number}", options={**options, "labels": number})
        for number in sorted(labels or LABELS[scale])
    )
    retained = tuple(evaluation for evaluation in given.evaluations if evaluation.data)
    others = given.evaluations if "probe" in settings else given.evaluations[:1] + retained
    return Study(
        name="low_label",
        question="Which pretraining is best to fine-tune from when labels are few?",
        arms=tuple(map(Arm.parse, arms)),
        targets=target,
        recipes={"base": given_base(base, given.base), "target": given.target},
        seeds=tuple(range(seeds)),
        evaluations=(*few, Evaluation(probe="finetune", name="finetune_all", options=options), *others),
        **given.network,
    )
