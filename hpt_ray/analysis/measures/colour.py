"""What images of other than three channels leave of a study's augmentation policies, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hpt_ray.analysis.measures.text_format import level_name, listed
from hpt_ray.core.channels import RGB
from hpt_ray.spec.grid import recipes_of
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.study import Pretraining, Study


def notes(study: Study, channels: Mapping[str, int]) -> list[str]:
    """A line on the operators that are left out, if some are, and on policies that do not differ without them.

    Args:
        channels: how many the images of each data set have, by its name.
    """
    others = {name: count for name, count in channels.items() if count != RGB}
    policies = [recipe.policy for recipe in recipes_of(study) if isinstance(recipe, Pretraining)]
    if not others or not (dropped := _dropped(policies)):
        return []
    counts = listed([f"{name} ({count} channel{'s' if count > 1 else ''})" for name, count in others.items()])
    parts = [f"Images of other than three channels have no hue and no saturation: on {counts} {listed(dropped)}"]
    parts.append(f"{'are' if len(dropped) > 1 else 'is'} left out of every policy, and brightness and contrast act on")
    line = f"{' '.join(parts)} each channel."
    if any(count > RGB for count in others.values()):
        line += " Pictures of views show the first three channels."
    for names in _alike(study):
        line += f" Without them {listed(names)} are one and the same policy."
    return [line]


def _dropped(policies: Iterable[Policy]) -> list[str]:
    """The operators that some of the policies have and no image without colour can have."""
    words = dict[str, None]()
    for policy in policies:
        jitter = policy.color_jitter
        if policy.grayscale is not None:
            words["grayscale"] = None
        if jitter is not None:
            words |= {f"the jitter of {name}": None for name in ("saturation", "hue") if getattr(jitter, name)}
    return list(words)


def _alike(study: Study) -> list[list[str]]:
    """The levels of the policy that differ in colour alone."""
    alike: list[list[str]] = []
    for factor in study.factors if study.search is None else ():
        by_policy: dict[str, list[str]] = {}
        for level in factor.levels:
            policy = factor.changes(level).get("policy")
            if policy is not None:
                left = Policy.model_validate(policy).without_colour()
                by_policy.setdefault(left.model_dump_json(), []).append(level_name(level))
        alike += [names for names in by_policy.values() if len(names) > 1]
    return alike
