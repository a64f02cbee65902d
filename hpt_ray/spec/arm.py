"""Arms: pretraining hierarchies, written as chains of roles."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpt_ray.core.errors import StudyError
from hpt_ray.core.values import Frozen

Tune = Literal["all", "bn"]

#: What the paper calls the chains it compares; any other chain is shown as it is written.
LABELS = {
    "target": "From scratch",
    "base": "Direct transfer",
    "base>target": "HPT",
    "base>target:bn": "HPT-BN",
}


class Phase(Frozen):
    """One link of a pretraining hierarchy: a role (base, source, target) and what it may change."""

    role: str
    tune: Tune = "all"


class Arm(Frozen):
    """A pretraining hierarchy, as a chain: ``base>target:bn`` pretrains on base, then adapts batch norm on target."""

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]

    @classmethod
    def parse(cls, chain: str) -> Arm:
        """Read a chain of ``role`` or ``role:bn`` links joined by ``>``.

        Raises:
            StudyError: for an empty link or an unknown modifier.
        """
        phases = []
        for link in chain.split(">"):
            role, _, tune = link.strip().partition(":")
            if not role.isidentifier() or tune not in ("", "all", "bn"):
                raise StudyError(
                    f"arm {chain!r} cannot be read at {link!r}: write roles joined by '>', with an optional ':bn', "
                    "such as 'target', 'base>target' or 'base>target:bn'."
                )
            phases.append(Phase(role=role, tune="bn" if tune == "bn" else "all"))
        return cls(phases=tuple(phases))

    @property
    def chain(self) -> str:
        return ">".join(phase.role + (":bn" if phase.tune == "bn" else "") for phase in self.phases)

    @property
    def label(self) -> str:
        return LABELS.get(self.chain, self.chain)
