"""From a run to weights in its user's hands: which stage has them, and what a file of them says about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt_ray.analysis.measures.choice import Choice, choose
from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.errors import StudyError, UnknownNameError, WeightsError
from hpt_ray.core.paths import path_of
from hpt_ray.planning.plan import Plan
from hpt_ray.spec.study import Factor
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.store.store import Store
from hpt_ray.training.backbone import Backbone, build, is_own_file
from hpt_ray.training.weights import checkpoints, exported
from hpt_ray.training.weights.exported import Pretrained, Provenance

#: A level by its name, several of them as ``LEVEL`` or ``FACTOR=LEVEL``, or levels by the names of their factors.
Level = str | Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class Handover:
    """The weights of a run.

    Attributes:
        winners: of each target; None where no arm has results. sentences: of each target's verdict.
    """

    store: Store
    plan: Plan
    run: Run
    winners: Mapping[str, Choice | None]
    sentences: Mapping[str, str]

    def choose(
        self, arm: str | None = None, level: Level | None = None, seed: int | None = None, target: str | None = None
    ) -> Choice:
        """The weights that a user names; what she does not name is the winner's.

        Raises:
            StudyError: where the run has no such weights, with the reason.
        """
        targets = self.plan.study.targets
        if target is None and len(targets) > 1:
            raise StudyError(f"the run has {len(targets)} targets ({', '.join(targets)}): name one, with --target.")
        target = target or targets[0]
        if target not in targets:
            raise UnknownNameError("target", target, targets)
        return choose(self.run, self.winners.get(target), target, arm, self._levels(level), seed)

    def state(self, choice: Choice) -> checkpoints.State:
        """The same by the names of its tensors; that of a Python file is as it is stored, so that the file is not run.

        Raises:
            StoreError: as ``network``.
        """
        if is_own_file(self.plan.study.backbone):
            return checkpoints.from_bytes(self.store.weights(choice.stage))
        return checkpoints.tensors(self.network(choice))

    def network(self, choice: Choice) -> Backbone:
        """The network with these weights, as its evaluation had it: for as many channels as the target's images have.

        Raises:
            StoreError: if they are missing or damaged.
        """
        study, channels = self.plan.study, len(self.run.manifest.datasets[choice.target].mean)
        network = build(study.backbone, 0, study.image_size, channels)
        checkpoints.load(network, checkpoints.from_bytes(self.store.weights(choice.stage)), threshold=1.0)
        return network

    def provenance(self, choice: Choice) -> Provenance:
        """What a file of these weights says of them."""
        study, manifest = self.plan.study, self.run.manifest
        content, target = self.plan.stages[choice.stage].content, manifest.datasets[choice.target]
        return Provenance(
            study=study.name,
            run=self.plan.run,
            target=target.name,
            arm=choice.arm,
            levels=choice.levels,
            seed=choice.seed,
            stage=choice.stage,
            parents=choice.parents,
            method=content.recipe.method if content.kind == "pretrain" else None,
            backbone=study.backbone,
            image_size=study.image_size,
            decode_size=study.decode_size,
            mean=target.mean,
            std=target.std,
            data={data.name: data.fingerprint for data in manifest.datasets.values()},
            chosen=choice.why,
            verdict=self.sentences.get(choice.target, ""),
            versions=manifest.versions,
        )

    def pretrained(self, choice: Choice) -> Pretrained:
        """The same in eval mode, with what its images must look like."""
        return Pretrained(self.network(choice), self.provenance(choice))

    def _levels(self, level: Level | None) -> dict[str, str]:
        """Levels by factor; one that is named alone is of the only factor that has it."""
        factors = {factor.name: factor for factor in self.plan.study.factors}
        names = [level] if isinstance(level, str) else level or []
        pairs = list(names.items()) if isinstance(names, Mapping) else [_pair(name, factors) for name in names]
        for factor, name in pairs:
            if factor not in factors:
                raise UnknownNameError("factor", factor, factors)
            if name not in factors[factor].levels:
                raise UnknownNameError(f"level of {factor}", name, factors[factor].levels)
        return dict(pairs)


def _pair(name: str, factors: Mapping[str, Factor]) -> tuple[str, str]:
    """The factor and its level behind ``LEVEL`` or ``FACTOR=LEVEL``."""
    first, equals, rest = name.partition("=")
    if equals and first in factors:
        return first, rest
    having = [factor.name for factor in factors.values() if name in factor.levels]
    if len(having) > 1:
        raise StudyError(f"{' and '.join(having)} have a level {name!r}: write {having[0]}={name} or the like.")
    if not having:
        raise UnknownNameError("level", name, [each for factor in factors.values() for each in factor.levels])
    return having[0], name


def load_backbone(file: str | Path, backbone: str | None = None) -> Pretrained:
    """The network in a file that ``hpt-study export`` wrote, with its mean, standard deviation and image size.

    Args:
        backbone: the path to your own Python file that defines the network, if the study's backbone was one: a path
            that a file names is never executed.

    Raises:
        WeightsError: for a file that cannot be read or was not exported, or does not fit the backbone.
    """
    source = str(file)
    about = exported.provenance(path_of(source), source)
    if about is None:
        raise WeightsError(
            f"{source} does not say which network it holds, since hpt-study did not export it: use it as a base, with "
            f"--set base={source}, or load it with the library that wrote it."
        )
    if is_own_file(about.backbone) and backbone is None:
        raise WeightsError(
            f"{source} is for the network in {about.backbone}, a Python file, which is not executed because a file "
            "names it: if you trust it, name it yourself, as backbone=PATH."
        )
    network = build(backbone or about.backbone, 0, about.image_size, len(about.mean))
    try:
        checkpoints.load(network, checkpoints.read(WeightSource.parse(source)), threshold=1.0)
    except WeightsError as error:
        raise WeightsError(f"{source}: {error}") from error
    return Pretrained(network, about)
