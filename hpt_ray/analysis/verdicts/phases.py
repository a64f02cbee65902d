"""What does each phase of a hierarchy add: the base, the source, the target pretraining?

A phase is judged by two arms of which one is the other with that phase more, in whatever place.
"""

from __future__ import annotations

from dataclasses import replace

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import compare
from hpt_ray.analysis.findings import Gain, Gains
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.quantities import change
from hpt_ray.analysis.settling import settle
from hpt_ray.analysis.verdict import Table, Verdict, difference_tiles, metric_cell, metric_tiles


def gains(run: Run, target: str) -> tuple[Gain, ...]:
    """The gain of each phase in each arm of which the arm without it is there too, judged together."""
    compared = []
    for chain in run.arms:
        links = chain.split(">")
        shorter = {">".join(links[:place] + links[place + 1 :]): link for place, link in enumerate(links)}
        for without, phase in shorter.items():
            if without in run.arms:
                levels = run.standard_level(chain), run.standard_level(without)
                compared.append(
                    Gain(phase, chain, without, compare(run, target, chain, without, levels[0], at=levels[1]))
                )
    claims = settle(run, target, [gain.claim for gain in compared], "gains of the phases")
    return tuple(replace(gain, claim=claim) for gain, claim in zip(compared, claims, strict=True))


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: its sentence is about the longest chain, its table about all."""
    every = gains(run, target)
    chain = _fullest(every)
    shown = tuple(gain for gain in every if gain.chain == chain)
    return Verdict(
        target=target,
        findings=(Gains(shown),) if shown else (),
        nothing="no arm of the study is another one with a phase more",
        claims=tuple(gain.claim for gain in every),
        tiles=(
            *(metric_tiles(run, target, chain, run.standard_level(chain), "on the target") if shown else []),
            *difference_tiles((f"The {gain.phase} phase adds", gain.claim) for gain in shown),
        ),
        table=_table(run, target, every),
        caveats=caveats(run, target, [gain.claim for gain in shown]),
    )


def _fullest(every: tuple[Gain, ...]) -> str:
    """The chain whose phases the sentence is about: the longest one that has a gain, the first of several."""
    compared = [gain.chain for gain in every if gain.claim.difference is not None] or [gain.chain for gain in every]
    return max(compared, key=lambda chain: chain.count(">"), default="")


def _table(run: Run, target: str, every: tuple[Gain, ...]) -> Table:
    """Per arm its accuracy, and what each of its phases adds where the arm without that phase is there."""
    links = [link for gain in sorted(every, key=lambda gain: -gain.chain.count(">")) for link in gain.chain.split(">")]
    phases = [link for link in dict.fromkeys(links) if link in {gain.phase for gain in every}]
    rows = []
    for arm, label in run.arms.items():
        own = {gain.phase: gain.claim.difference for gain in every if gain.chain == arm}
        accuracy = metric_cell(run, target, arm, run.standard_level(arm))
        name = label if label == arm else f"{label} ({arm})"
        rows.append((name, accuracy, *(change(own.get(phase)) for phase in phases)))
    return Table(("Arm", run.metric.heading, *(f"{phase.capitalize()} adds" for phase in phases)), tuple(rows))
