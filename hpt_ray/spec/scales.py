"""The two scales every study comes in, and the parameters that every study has to depart from them.

``quick`` answers on a laptop in minutes; ``paper`` is the paper's protocol: Reed et al., arXiv 2103.12718, and its
published configurations: ResNet-50, 224 px, MoCo-v2 with a queue of 65,536, SGD at lr 0.03 for a global batch of 256 as
four normalisation groups of 64, hue jitter 0.4, the SGD probe in three repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Unpack

from pydantic import Field

from hpt_ray.core.channels import RGB, Channels
from hpt_ray.core.errors import StudyError
from hpt_ray.core.registry import check
from hpt_ray.core.values import Frozen
from hpt_ray.spec import optimisation
from hpt_ray.spec.options import Options, merged, parse
from hpt_ray.spec.policy import Policy, with_hue
from hpt_ray.spec.quick_methods import QUICK_METHODS
from hpt_ray.spec.recipe import Positive, change
from hpt_ray.spec.study import Evaluation, Margin, PixelChoice, Precision, Pretraining, Weights
from hpt_ray.spec.weights_source import is_given

ScaleName = Annotated[Literal["quick", "paper"], "quick: minutes on a laptop; paper: the paper's protocol"]
Base = Annotated[str, "data set to pretrain the base on, or weights: a file (or FILE#PLACE), weights:torchvision:NAME"]
Targets = Annotated[tuple[str, ...], "data sets to pretrain and evaluate on, by name or path"]
Arms = Annotated[tuple[str, ...], "pretraining hierarchies to compare, written as chains"]
Seeds = Annotated[Positive, Field(le=10_000), "repeats of every target pretraining, paired across arms and levels"]

#: What the quick scale is shown on: see "The quick scale" in the README.
BASE, TARGET = "synthetic:objects,n=8000", ("synthetic:aerial",)
ARMS = ("target", "base", "base>target", "base>target:bn")

#: Settings that are fields of a scale and of a study alike.
OF_IMAGES = ("image_size", "decode_size", "pixels", "channels", "groups")
NETWORK = ("backbone", *OF_IMAGES, "precision", "compile", "metric", "margin")


def _by_scale(value: Callable[[Scale], Any]) -> dict[str, Any]:
    return {name: value(scale) for name, scale in SCALES.items()}


class Settings(optimisation.Optimisation, total=False):
    """Parameters that every study has beside its own; what is left out follows the scale."""

    method: Annotated[str, "self-supervised method of every phase", _by_scale(lambda scale: scale.target.method)]
    backbone: Annotated[str, "network", _by_scale(lambda scale: scale.backbone)]
    image_size: Annotated[Positive, "side of the views in pixels", _by_scale(lambda scale: scale.image_size)]
    decode_size: Annotated[
        Positive,
        "side in pixels of the decoded images that views are cut from; follows image_size",
        _by_scale(lambda scale: scale.decode_size),
    ]
    pixels: Annotated[
        PixelChoice,
        "resident: decoded once to squares; encoded: cropped at full resolution; auto: encoded if most are larger",
        _by_scale(lambda scale: scale.pixels),
    ]
    channels: Annotated[
        Channels,
        "of the images: 3 (red, green, blue), all (1 to 16), or bands by number, from 1: 4,3,2",
        _by_scale(lambda scale: scale.channels),
    ]
    base_iterations: Annotated[Positive, "base pretraining", _by_scale(lambda scale: scale.base.iterations)]
    base_seeds: Annotated[
        Positive | None,
        "bases to pretrain, over which the seeds cycle; none: each seed has its own; 1: the paper's single base",
    ]
    batch: Annotated[Positive, "images per iteration, over all workers", _by_scale(lambda scale: scale.target.batch)]
    group: Annotated[
        Positive,
        "images that are normalised together; divides the batch",
        _by_scale(lambda scale: scale.target.group),
    ]
    hue: Annotated[float, Field(ge=0, le=0.5), "largest shift of hue, in turns", _by_scale(lambda scale: scale.hue)]
    options: Annotated[
        tuple[str, ...] | None, "of methods and probes, as NAME.OPTION=NUMBER: moco_v2.queue=512,sgd.iterations=100"
    ]
    lr: Annotated[float, "initial learning rate", _by_scale(lambda scale: scale.target.lr)]
    precision: Annotated[
        Precision,
        "auto: bfloat16 where the hardware multiplies it natively",
        _by_scale(lambda scale: scale.precision),
    ]
    compile: Annotated[
        bool, "pretrain by torch.compile: faster after minutes of compiling", _by_scale(lambda scale: scale.compile)
    ]
    probe: Annotated[
        tuple[str, ...],
        "how weights are evaluated; the verdict is about the first",
        _by_scale(lambda scale: tuple(evaluation.probe for evaluation in scale.evaluations)),
    ]
    metric: Annotated[str | None, "what is measured; none: accuracy, or AUROC where images have several labels"]
    margin: Annotated[Margin, "points within which results are equivalent", _by_scale(lambda scale: scale.margin)]
    retain: Annotated[
        str | None, "labelled data, such as the base's own, to measure on what each arm forgets; none: not measured"
    ]
    groups: Annotated[
        str | None,
        "which images of a target belong together: folder, a pattern such as '(patient\\d+)_'; none: its own groups",
    ]


class Budgets(Settings, total=False):
    """The same, for a study whose subject is not the target's budget."""

    iterations: Annotated[Positive, "target pretraining from a base", _by_scale(lambda scale: scale.target.iterations)]
    scratch_iterations: Annotated[
        Positive,
        "target pretraining from scratch",
        _by_scale(lambda scale: scale.target.iterations_from_scratch or scale.target.iterations),
    ]


class Scale(Frozen):
    """What differs between the scales; a study starts from one and changes what it studies.

    ``base`` and ``target`` are recipes without data; the target's budget from scratch is its own. ``methods`` and
    ``probes`` have, by name, the options that differ from a method's or a probe's own defaults, and ``lr_of`` has the
    learning rates of optimizers that differ from ``optimisation.RECIPES``.
    """

    backbone: str
    image_size: int
    decode_size: int
    pixels: PixelChoice = "resident"
    channels: Channels = RGB
    precision: Precision = "auto"
    compile: bool = False
    metric: str | None = None
    margin: Margin = 1.0
    groups: str | None = None
    base: Pretraining
    target: Pretraining
    methods: dict[str, Options] = Field(default_factory=dict)
    probes: dict[str, Options]
    lr_of: dict[str, float] = Field(default_factory=dict)
    evaluations: tuple[Evaluation, ...]

    def adjusted(self, uses: Iterable[str] = (), **settings: Unpack[Budgets]) -> Scale:
        """This scale with what a user set.

        Args:
            uses: methods and probes that the study uses beside the scale's own, whose options may be set, too.

        Raises:
            UnknownNameError: for a method that does not exist, or options of what is not used.
            ValueError: for values that do not fit.
        """
        method = settings.get("method", self.target.method)
        check("methods", method)
        probes = settings.get("probe", tuple(evaluation.probe for evaluation in self.evaluations))
        options = parse(settings.get("options") or (), {method, *probes, *uses})
        methods, of_probes = merged(self.methods, options), merged(self.probes, options)
        recipe: dict[str, Any] = {"batch": settings.get("batch"), "group": settings.get("group"), "method": method}
        recipe |= {
            "options": methods.get(method, {}),
            "policy": with_hue(self.target.policy, settings.get("hue", self.hue)),
        }
        recipe |= optimisation.fields(settings, settings.get("backbone", self.backbone), self.lr_of)
        size = settings.get("image_size", self.image_size)
        scale = self.model_copy(update={"methods": methods, "probes": of_probes})
        evaluations, retain = tuple(map(scale.evaluation, probes)), settings.get("retain")
        return scale.model_copy(
            update={
                **{name: settings.get(name, getattr(self, name)) for name in NETWORK},
                "evaluations": (*evaluations, *([evaluations[0].on(retain)] if retain else [])),
                "decode_size": settings.get("decode_size", round(size * self.decode_size / self.image_size)),
                "base": change(
                    self.base,
                    iterations=settings.get("base_iterations"),
                    seeds=settings.get("base_seeds"),
                    **optimisation.shared_warmup(recipe, self.base.iterations),
                ),
                "target": change(
                    self.target,
                    iterations=settings.get("iterations"),
                    iterations_from_scratch=settings.get("scratch_iterations"),
                    **optimisation.shared_warmup(recipe, self.target.iterations),
                ),
            }
        )

    def options(self, method: str) -> Options:
        """The options of a method at this scale; of one that the scale does not know, the method's own defaults."""
        return self.methods.get(method, {})

    def evaluation(self, probe: str) -> Evaluation:
        """The evaluation by a probe at this scale; of one that the scale does not know, with the probe's defaults."""
        return Evaluation(probe=probe, options=self.probes.get(probe, {}))

    @property
    def hue(self) -> float:
        """The largest shift of hue of its policy, in turns."""
        jitter = self.target.policy.color_jitter
        return jitter.hue if jitter else 0.0

    @property
    def network(self) -> dict[str, Any]:
        """The fields of a study that say what is computed with, and what is measured on which images."""
        return {name: getattr(self, name) for name in NETWORK}


def given_base(base: str, recipe: Pretraining) -> Pretraining | Weights:
    """How a base comes about: ``weights:SOURCE`` or a checkpoint file is loaded, any other name is data to pretrain on.

    ``FILE#PLACE`` names the network in a checkpoint that holds several.

    Raises:
        StudyError: if several bases are asked for and given weights are one.
    """
    if not is_given(base):
        return change(recipe, data=base)
    if recipe.seeds is not None and recipe.seeds > 1:
        raise StudyError(
            f"base_seeds={recipe.seeds}: the base {base} is given weights, which are one base. Leave out base_seeds "
            "or give base a data set to pretrain on."
        )
    return Weights(source=base.removeprefix("weights:"))


_QUICK = Pretraining(
    iterations=40, batch=64, group=32, lr=0.03, policy=with_hue(Policy(), 0.1), options=QUICK_METHODS["moco_v2"]
)
_PAPER = Pretraining(
    iterations=5_000, iterations_from_scratch=100_000, batch=256, group=64, lr=0.03, policy=with_hue(Policy(), 0.4)
)

SCALES: dict[str, Scale] = {
    "quick": Scale(
        backbone="resnet_small",
        image_size=32,
        decode_size=32,
        base=_QUICK.model_copy(update={"iterations": 600}),
        target=_QUICK,
        methods=QUICK_METHODS,
        probes={"finetune": {"iterations": 60, "batch": 64, "lr": 0.1, "head": 3.0}},
        lr_of={"adamw": 1e-3},
        evaluations=(Evaluation(probe="linear"), Evaluation(probe="knn")),
    ),
    # MoCo-v2's 800 epochs of ImageNet at a batch of 256 are 4 million iterations; the paper takes that base as given.
    "paper": Scale(
        backbone="resnet50",
        image_size=224,
        decode_size=256,
        pixels="auto",
        base=_PAPER.model_copy(update={"iterations": 4_003_200, "iterations_from_scratch": None}),
        target=_PAPER,
        probes={"finetune": {"iterations": 2_500, "batch": 256}},
        evaluations=(Evaluation(probe="sgd"), Evaluation(probe="knn")),
    ),
}
