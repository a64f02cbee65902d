"""Arms: pretraining hierarchies, written as chains of roles.

One grammar: ``ROLE`` and, for each later phase, ``>ROLE`` or ``~WEIGHT~ROLE``, each with an optional ``:bn`` or
``:keep``. Every phase starts from the weights of the phase before. After ``~0.5~`` its end is averaged with its start.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal, cast, get_args

from pydantic import Field

from hpt_ray.core.errors import StudyError
from hpt_ray.core.values import Frozen

#: What a phase changes: all weights, batch norm alone, or all of them near the features that it starts from.
Tune = Literal["all", "bn", "keep"]
#: The share of the end in the average of a phase's start and end.
Weight = Annotated[float, Field(ge=0, le=1)]

#: What the paper calls the chains it compares; any other chain is shown as it is written.
LABELS = {
    "target": "From scratch",
    "base": "Direct transfer",
    "base>target": "HPT",
    "base>target:bn": "HPT-BN",
}
_JOINT = re.compile(r"(>|~[^~>]*~)")
#: Of what ``float`` reads, a number without a sign, "_" between digits (0_5 would be 5) or digits of other scripts.
_NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


class Phase(Frozen):
    """One link of a pretraining hierarchy: a role (base, source, target) and what it may change.

    ``weight``: that of its end in the average of its end and its start, to which the phase leads; None: its end.
    """

    role: str
    tune: Tune = "all"
    weight: Weight | None = None

    @property
    def name(self) -> str:
        """What is pretrained in it: ``target:bn``."""
        return self.role if self.tune == "all" else f"{self.role}:{self.tune}"


class Arm(Frozen):
    """A pretraining hierarchy, as a chain: ``base>target:bn`` pretrains on base, then adapts batch norm on target."""

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]

    @classmethod
    def parse(cls, chain: str) -> Arm:
        """Read a chain.

        Raises:
            StudyError: for an empty link, an unknown modifier, or a weight that is none.
        """
        first, *rest = _JOINT.split(chain)
        joints, links = [">", *rest[::2]], [first, *rest[1::2]]
        return cls(phases=tuple(_phase(chain, joint, link) for joint, link in zip(joints, links, strict=True)))

    @property
    def chain(self) -> str:
        first, *rest = self.phases
        return first.name + "".join((">" if each.weight is None else f"~{each.weight:g}~") + each.name for each in rest)

    @property
    def label(self) -> str:
        return LABELS.get(self.chain, self.chain)

    @property
    def stages(self) -> int:
        """How many stages lead to its weights: one for each phase, and one for each average."""
        return sum(1 if phase.weight is None else 2 for phase in self.phases)

    def until(self, phases: int) -> Arm:
        """The arm of its first ``phases`` phases, with the end of the last as it was pretrained."""
        *before, last = self.phases[:phases]
        return Arm(phases=(*before, last.model_copy(update={"weight": None})))


def _phase(chain: str, joint: str, link: str) -> Phase:
    """The phase of a link, which ``joint`` joins to the one before."""
    role, _, tune = link.strip().partition(":")
    if not role.isidentifier() or (tune and tune not in get_args(Tune)):
        raise StudyError(
            f"arm {chain!r} cannot be read at {link!r}: write roles joined by '>', with an optional ':bn' or ':keep', "
            "such as 'target', 'base>target' or 'base>target:bn', or by '~WEIGHT~', such as 'base~0.5~target'."
        )
    return Phase(role=role, tune=cast("Tune", tune or "all"), weight=_weight(chain, joint))


def _weight(chain: str, joint: str) -> float | None:
    if joint == ">":
        return None
    written = joint.strip("~ ")
    weight = float(f"{float(written):g}") if _NUMBER.fullmatch(written) else math.nan
    if not 0 <= weight <= 1:
        raise StudyError(
            f"arm {chain!r} cannot be read at {joint!r}: write the weight of the end as a number from 0 to 1, such as "
            "'base~0.5~target'."
        )
    return weight
