"""What the claims of a study are about: how many seeds, and whether one base, several, or given weights."""

from __future__ import annotations

from dataclasses import dataclass

from hpt_ray.spec.bases import Bases, bases
from hpt_ray.spec.study import Study


@dataclass(frozen=True)
class Scope:
    """How many seeds claims rest on, and which bases these have; None where every arm starts from scratch."""

    seeds: int
    bases: Bases | None


def scope(study: Study) -> Scope:
    """The scope of a study's claims; those of a search rest on the seeds that it did not see."""
    searched = study.search.seeds if study.search else ()
    seeds = tuple(seed for seed in study.seeds if seed not in searched)
    return Scope(len(seeds), bases(study.model_copy(update={"seeds": seeds})))
