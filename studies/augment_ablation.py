"""How much does each arm lose when the augmentation policy is not the one it was tuned for?

    hpt-study run augment_ablation

At the quick scale: four to five minutes on two cores. Expected (linear probe, test, baseline policy): HPT 42 %, HPT-BN
40 %, direct transfer 37 %, from scratch 35 %; HPT better than from scratch by 8 points, and not enough evidence at
three seeds that they differ in robustness.

Reed et al. (arXiv 2103.12718), section 4.3: five policies, from MoCo-v2's own to a bare crop; the base is given, the
policy changes in target pretraining alone.
"""

from typing import Annotated

from hpt_ray.policy import Policy
from hpt_ray.registry import load
from hpt_ray.scale import SCALES, ScaleName, change, given_base
from hpt_ray.study import Arm, Evaluation, Factor, Precision, Study

POLICIES = ("baseline", "no_grayscale", "no_color", "crop_blur", "crop_only")
ARMS = ("target", "base", "base>target", "base>target:bn")


def study(
    *,
    base: Annotated[
        str, "data set to pretrain the base on, or weights: a file, weights:torchvision:NAME"
    ] = "synthetic:objects,n=8000",
    target: Annotated[tuple[str, ...], "data sets to pretrain and evaluate on, by name or path"] = (
        "synthetic:aerial",
    ),
    scale: Annotated[ScaleName, "quick: minutes on a laptop; paper: the paper's protocol"] = "quick",
    seeds: Annotated[int, "repeats of every target pretraining, paired across arms and policies"] = 3,
    policies: Annotated[tuple[str, ...], "augmentation policies to compare; the first is the baseline"] = POLICIES,
    arms: Annotated[tuple[str, ...], "pretraining hierarchies to compare, written as chains"] = ARMS,
    backbone: Annotated[str | None, "network"] = None,
    image_size: Annotated[int | None, "side of the views in pixels"] = None,
    iterations: Annotated[int | None, "target pretraining that starts from a base"] = None,
    scratch_iterations: Annotated[int | None, "target pretraining from scratch"] = None,
    base_iterations: Annotated[int | None, "base pretraining"] = None,
    batch: Annotated[int | None, "images per iteration, over all workers"] = None,
    group: Annotated[int | None, "images that are normalised together; divides the batch"] = None,
    lr: Annotated[float | None, "initial learning rate"] = None,
    precision: Annotated[Precision, "auto: bfloat16 where the hardware multiplies it natively"] = "auto",
) -> Study:
    """What is left out (none) follows the scale."""
    given = SCALES[scale]
    common = {"batch": batch, "group": group, "lr": lr}
    return Study(
        name="augment_ablation",
        question="Is hierarchical pretraining more robust to the augmentation policy than pretraining from scratch?",
        arms=tuple(Arm.parse(arm) for arm in arms),
        targets=target,
        recipes={
            "base": given_base(base, change(given.base, iterations=base_iterations, **common)),
            "target": change(given.target, iterations=iterations, iterations_from_scratch=scratch_iterations, **common),
        },
        factors=(
            Factor(
                name="policy",
                field="policy",
                levels={name: with_hue(load("policies", name), given.hue) for name in policies},
                baseline=policies[0],
            ),
        ),
        seeds=tuple(range(seeds)),
        evaluations=(Evaluation(probe="linear"), Evaluation(probe="knn")),
        backbone=backbone or given.backbone,
        image_size=given.image_size if image_size is None else image_size,
        decode_size=given.decode_size
        if image_size is None
        else round(image_size * given.decode_size / given.image_size),
        precision=precision,
    )


def with_hue(policy: Policy, hue: float) -> Policy:
    """The paper's configurations jitter hue by 0.4, MoCo-v2 itself by 0.1."""
    if policy.color_jitter is None:
        return policy
    return policy.replace(color_jitter=policy.color_jitter.model_copy(update={"hue": hue}))
