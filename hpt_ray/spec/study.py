"""The specification of a study: one question as arms x factor levels x seeds on targets, with evaluations.

A study is a frozen, complete value. Nothing patches it later; the plan and every stage id follow from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from hpt_ray.core.channels import RGB, Channels
from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.registry import name_of
from hpt_ray.core.values import Frozen, later
from hpt_ray.spec.arm import Arm, Tune
from hpt_ray.spec.recipe import Positive, Recipe

Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Some = Annotated[int, Field(gt=0, le=1_000)]  # policies of one round: more could not be planned in reasonable time
Margin = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]  # points; how results are judged, and no result
Precision = Literal["auto", "float32", "bfloat16"]
PixelChoice = Literal["resident", "encoded", "auto"]


class Pretraining(Recipe):
    """How one role pretrains: the recipe, for how long, on what and by which seed."""

    iterations: Positive
    iterations_from_scratch: Positive | None = None  # the budget where no phase comes before; None: the same
    data: Annotated[str, Field(min_length=1)] | None = None  # None: the cell's target
    seed: Seed | None = None  # None: the cell's seed; a number makes the phase one fixed given
    seeds: Positive | None = None  # so many, over which the cells' seeds cycle; 1: as a given seed of 0

    @model_validator(mode="after")
    def _check_seeds(self) -> Pretraining:
        if self.seed is not None and self.seeds is not None:
            raise ValueError("a phase has one seed that is given, or several over which the cells' seeds cycle")
        return self

    def recipe_for(self, tune: Tune) -> Recipe:
        """The recipe alone, as it is for phases that change so: others than ``:keep`` have nothing to keep."""
        fields = {name: getattr(self, name) for name in Recipe.model_fields}
        if tune != "keep":
            fields["keep"] = Recipe.model_fields["keep"].default
        return Recipe.model_construct(**fields)


class Weights(Frozen):
    """A role that is given: ``torchvision:resnet50`` or a checkpoint file, loaded and audited key by key.

    ``FILE#PLACE`` names the network in a file that holds several: what its tensors' names begin with."""

    source: str


class Evaluation(Frozen):
    """An evaluation of weights, by the name of its file in ``training/probes``; ``name`` is its name in the results.

    ``data``: what else than the cell's target it is done on, to tell what the target cost there; None: the target.
    """

    probe: str
    options: dict[str, float | int] = Field(default_factory=dict)
    name: str = ""
    data: Annotated[str, Field(min_length=1)] | None = later(None)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(probe := values.get("probe"), str):
            return values
        return {"name": name_of(probe), **values}

    def on(self, data: str) -> Evaluation:
        """The same on other data than the target."""
        return self.model_copy(update={"name": f"{self.name}_retained", "data": data})


class Factor(Frozen):
    """What is varied: a field of the recipes of some roles, at named levels, one of which is the baseline.

    Without a ``field`` a level is a dict of several. ``only`` names the levels of an arm that does not have them all
    (the paper gives from-scratch pretraining other budgets than HPT).
    """

    name: str
    field: str | None = None
    levels: Annotated[dict[str, Any], Field(min_length=1)]
    baseline: str
    roles: Annotated[tuple[str, ...], Field(min_length=1)] = ("target",)
    only: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Factor:
        for name in (self.baseline, *itertools.chain.from_iterable(self.only.values())):
            if name not in self.levels:
                raise ValueError(f"{name!r} is none of the levels of {self.name}")
        for level in self.levels:
            for field in self.changes(level):
                if field not in Pretraining.model_fields:
                    raise ValueError(f"a recipe has no field {field!r}")
        return self

    def changes(self, level: str) -> dict[str, Any]:
        """The fields of a recipe that a level sets."""
        value = self.levels[level]
        if self.field is None and not isinstance(value, dict):
            raise ValueError(f"level {level!r} of {self.name} is no dict of fields of a recipe")
        return {self.field: value} if self.field else dict(value)

    def varies(self, arm: Arm) -> bool:
        """Whether an arm contains a role that the factor varies."""
        return any(phase.role in self.roles for phase in arm.phases)

    def levels_of(self, arm: Arm) -> tuple[str, ...]:
        """The levels that an arm has, in their order."""
        return tuple(level for level in self.levels if level in self.only.get(arm.chain, self.levels))


class Search(Frozen):
    """How a study looks for policies: see ``hpt_ray.planning.search``.

    The first factor of the study varies the policy and has only its baseline as a level, the search adds the others;
    the second has the rungs of successive halving, from the shortest budget to the full one.

    Attributes:
        random: policies of the first round, the same for every arm. asked: policies of each later round, per arm.
        rounds: of policies that the sampler is asked for. eta: one of so many of these goes on to the next rung.
        winners: policies of each arm, beside the baseline, that are confirmed.
        seeds: of the study, to search with; the others only confirm. seed: of the random policies and the sampler.
    """

    random: Some
    asked: Some
    rounds: Annotated[int, Field(ge=0, le=100)] = 1
    eta: Annotated[int, Field(ge=2)] = 3
    winners: Positive = 1
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    seed: Seed = 0


class Study(Frozen):
    """One question, complete. ``recipes`` maps each role named by the arms to how it comes about."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
    question: str
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    recipes: dict[str, Pretraining | Weights]
    factors: tuple[Factor, ...] = ()
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    evaluations: Annotated[tuple[Evaluation, ...], Field(min_length=1)]
    metric: Annotated[str, Field(min_length=1)] | None = None  # None: the default for one label an image, or several
    margin: Margin = 1.0  # points: results whose difference is surely smaller are equivalent
    groups: Annotated[str, Field(min_length=1)] | None = None  # rule for every target; None: the groups it has itself
    backbone: str
    image_size: Positive  # side of the views the network sees, pixels
    decode_size: Positive  # side of the decoded images the views are cut from, pixels
    pixels: PixelChoice = "resident"  # views are cut from squares of decode_size, or at full resolution
    channels: Channels = RGB  # of the images that are read
    precision: Precision = "auto"
    compile: bool = False  # backbones by torch.compile while they are pretrained
    search: Search | None = None
    dashboard: Annotated[str, Field(min_length=1)] | None = None  # by name or path from its file; None: its own name
    made_from: str | None = None  # the name or path of the function that made it, to reproduce it
    parameters: dict[str, Any] = Field(default_factory=dict)  # what that was called with

    @field_validator("parameters")
    @classmethod
    def _as_they_were_given(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        """Several values are a tuple; a stored study has them as a list."""
        return {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}

    @field_validator("arms", mode="before")
    @classmethod
    def _chains(cls, arms: Any) -> Any:
        if isinstance(arms, str) or not isinstance(arms, Iterable):
            return arms  # to be refused for its type
        return tuple(Arm.parse(arm) if isinstance(arm, str) else arm for arm in arms)

    @property
    def retained(self) -> Evaluation | None:
        """The evaluation on other data than the target, which tells what an arm forgets; None without any."""
        return next((evaluation for evaluation in self.evaluations if evaluation.data), None)

    @property
    def start(self) -> Arm | None:
        """The first arm that is a network as it was before it saw the target; None without any."""
        for arm in self.arms:
            recipe = self.recipes[arm.phases[0].role]
            if len(arm.phases) == 1 and (isinstance(recipe, Weights) or recipe.data is not None):
                return arm
        return None

    @model_validator(mode="after")
    def _check(self) -> Study:
        for arm in self.arms:
            for position, phase in enumerate(arm.phases):
                if phase.role not in self.recipes:
                    raise UnknownNameError(f"role in arm {arm.chain!r}", phase.role, self.recipes)
                if isinstance(self.recipes[phase.role], Weights) and (position or phase.tune != "all"):
                    raise StudyError(f"arm {arm.chain!r}: {phase.role} is given weights and can only come first.")
            if (tune := arm.phases[0].tune) != "all":
                what = {"bn": "adapts the batch norm", "keep": "keeps the features"}[tune]
                raise StudyError(f"arm {arm.chain!r}: ':{tune}' {what} of an earlier phase and cannot come first.")
            if self.compile and any(phase.tune == "keep" for phase in arm.phases):
                raise StudyError(
                    f"arm {arm.chain!r}: ':keep' works with networks that are not compiled: leave compile out."
                )
        named = {
            "arm": [arm.chain for arm in self.arms],
            "seed": self.seeds,
            "target": self.targets,
            "factor": [factor.name for factor in self.factors],
            "evaluation": [evaluation.name for evaluation in self.evaluations],
        }
        for what, values in named.items():
            if len(set(values)) < len(values):
                raise StudyError(f"study {self.name}: the same {what} is named twice in {list(values)}.")
        if self.evaluations[0].data:
            raise StudyError(f"study {self.name}: the first evaluation chooses weights, and must be on the target.")
        if self.retained and self.start is None:
            raise StudyError(
                f"study {self.name}: what is forgotten on {self.retained.data} is measured against the base as it is: "
                "add the arm 'base'."
            )
        if self.decode_size < self.image_size:
            raise StudyError(
                f"study {self.name}: views of {self.image_size} pixels cannot be cut from images decoded to "
                f"{self.decode_size}: use a smaller image_size or a larger decode_size."
            )
        for factor in self.factors:
            for role in factor.roles:
                if not isinstance(self.recipes.get(role), Pretraining):
                    raise StudyError(f"factor {factor.name}: {role!r} does not pretrain, so nothing can be varied.")
        if self.search is not None:
            if [factor.field == "policy" for factor in self.factors] != [True, False]:
                raise StudyError(f"study {self.name}: a search needs two factors, the policy and then the rungs.")
            if not set(self.search.seeds) < set(self.seeds):
                raise StudyError(
                    f"study {self.name}: a search needs some of the seeds {list(self.seeds)} and must leave others to "
                    f"confirm with, not {list(self.search.seeds)}."
                )
        return self
