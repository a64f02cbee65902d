"""The candidates of an advice: every base as it is, pretrained further in each way, and the target from scratch."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from hpt_ray.core.errors import StudyError
from hpt_ray.core.registry import name_of
from hpt_ray.core.values import Frozen
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.weights_source import is_given

#: The roles that a user writes an arm with.
ROLES = {"base", "target"}


class Candidate(Frozen):
    """One way to get a backbone for a target, and the arm that it is in the study.

    Attributes:
        arm: the chain in the study, in which every base and every recipe of the target is a role of its own.
        chain: the same with the roles ``base`` and ``target``. base: as the user names it, "" from scratch.
        method: of the target, and of a base that is pretrained. policy: by name or path, "" of a base as it is.
        iterations: of the target, 0 of a base as it is.
        base_role, target_role: its roles, "" where it has none.
    """

    arm: str
    chain: str
    base: str = ""
    method: str = ""
    policy: str = ""
    iterations: int = 0
    base_role: str = ""
    target_role: str = ""

    @property
    def ways(self) -> tuple[str, str]:
        """The method and the policy, as results name them."""
        return name_of(self.method), name_of(self.policy)

    @property
    def trains(self) -> bool:
        """Whether it pretrains on the target."""
        return bool(self.target_role)


def candidates(
    bases: Sequence[str],
    chains: Sequence[str],
    methods: Sequence[str],
    policies: Sequence[str],
    budgets: Sequence[int],
) -> tuple[Candidate, ...]:
    """Every base as it is, every arm from it under each method, policy and budget, and the target from scratch.

    Args:
        bases: as the user names them. chains: arms with the roles ``base`` and ``target``.
        methods, policies: the first of each is that of from scratch. budgets: target iterations, the largest likewise.

    Raises:
        StudyError: for an arm that does not go from base to target, or two names that cannot be told apart.
    """
    bases = list(dict.fromkeys(bases))
    further = [_further(chain) for chain in chains if chain not in ROLES]
    standard = (methods[0], policies[0], max(budgets))
    varied = [len(set(levels)) > 1 for levels in (methods, policies, budgets)]
    every = [_candidate(Arm.parse("target"), "", "", "target", standard)]
    for base in bases:
        name = "base" if len(bases) == 1 else _name(base)
        several = len(methods) > 1 and not is_given(base)
        roles = {method: _identifier(f"{name}_{name_of(method)}") if several else name for method in methods}
        as_it_is = {role: method for method, role in reversed(roles.items())}
        every += [
            Candidate(arm=role, chain="base", base=base, base_role=role, method=method)
            for role, method in reversed(as_it_is.items())
        ]
        for way, arm in itertools.product(itertools.product(methods, policies, budgets), further):
            parts = [name_of(str(part)) for part, varies in zip(way, varied, strict=True) if varies]
            target = "target" if way == standard else _identifier("_".join(["target", *parts]))
            every.append(_candidate(arm, base, roles[way[0]], target, way))
    arms = [candidate.arm for candidate in every]
    if twice := next((arm for arm in arms if arms.count(arm) > 1), None):
        raise StudyError(f"two candidates are called {twice!r}: name each base, arm and policy once, or rename a file.")
    return tuple(every)


def _further(text: str) -> Arm:
    arm = Arm.parse(text)
    first, *rest = (phase.role for phase in arm.phases)
    if first != "base" or not rest or set(rest) != {"target"}:
        raise StudyError(f"arm {text!r} does not go from base to target: write it as base>target or base>target:bn.")
    return arm


def _candidate(arm: Arm, base: str, base_role: str, target_role: str, way: tuple[str, str, int]) -> Candidate:
    """A candidate that pretrains on the target: its arm in the study has roles of its own."""
    roles = {"base": base_role, "target": target_role}
    own = Arm(phases=tuple(phase.model_copy(update={"role": roles[phase.role]}) for phase in arm.phases))
    method, policy, iterations = way
    return Candidate(
        arm=own.chain,
        chain=arm.chain,
        base=base,
        method=method,
        policy=policy,
        iterations=iterations,
        base_role=base_role,
        target_role=target_role,
    )


def _name(base: str) -> str:
    """What a base is called in its arms: cifar10 of ./data/cifar10, resnet50 of weights:torchvision:resnet50."""
    return _identifier(Path(base.rpartition(":")[2].partition("#")[0]).stem)


def _identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", text).strip("_")
    return name if name.isidentifier() and name not in ROLES else f"of_{name}"
