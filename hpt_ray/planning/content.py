"""What makes up the identity of each kind of stage: everything that can change its numbers, and nothing else.

Workers, devices, paths, storage, threads and labels are not part of it.
"""

from __future__ import annotations

from typing import Literal

from hpt_ray.core.metric import UNSAID
from hpt_ray.core.values import Frozen, later
from hpt_ray.spec.arm import Tune
from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.study import Precision


class PretrainingContent(Frozen):
    """Everything that determines the weights of a pretraining phase.

    Attributes:
        version: of the code of this kind of stage.
        image_size: side of the views in pixels.
        data: the fingerprint of its data set.
        init: the id of the stage whose weights it starts from; None: random initialisation.
        without: the hash of the images that are left out of the data set; None: no image is left out.
        code: a hash of the Python that it names and that is not this package's own; None where all of it is.
        compile: whether the backbone is compiled, which changes the last bits.
    """

    kind: Literal["pretrain"] = "pretrain"
    version: int
    backbone: str
    image_size: int
    precision: Precision
    tune: Tune
    recipe: Recipe
    iterations: int
    seed: int
    data: str
    init: str | None
    without: str | None = later(None)
    code: str | None = later(None)
    compile: bool = later(False)


class WeightsContent(Frozen):
    """Everything that determines imported weights.

    Attributes:
        version: of the code of this kind of stage.
        source: the hash of their file, or the name by which they are published.
        place: where the network is in the file; None: found automatically.
        code: a hash of the network's Python where it is not this package's own; None where it is.
    """

    kind: Literal["weights"] = "weights"
    version: int
    backbone: str
    image_size: int  # a vision transformer's position embeddings are fitted to it
    source: str
    place: str | None = later(None)
    code: str | None = later(None)


class InterpolationContent(Frozen):
    """Everything that determines the average of two networks.

    Attributes:
        version: of the code of this kind of stage.
        image_size: side of the images in pixels.
        weight: of the end. start, end: the ids of the stages whose weights are averaged.
        data: the fingerprint of the data set whose train images batch norm's statistics are of.
        code: a hash of the network's Python where it is not this package's own; None where it is.
    """

    kind: Literal["interpolate"] = "interpolate"
    version: int
    backbone: str
    image_size: int
    weight: float
    start: str
    end: str
    data: str
    code: str | None = later(None)


class EvaluationContent(Frozen):
    """Everything that determines the predictions of an evaluation.

    Attributes:
        version: of the code of this kind of stage.
        image_size: side of the images in pixels.
        precision: of the training of a probe; features are float32.
        data: the fingerprint of its data set.
        weights: the id of the stage whose weights are evaluated; None: the random initialisation ``init``.
        init: the seed of that initialisation; None where ``weights`` are evaluated.
        metric: by name or path: val chooses by it, and test is measured by it.
        code: a hash of the Python that it names and that is not this package's own; None where all of it is.
    """

    kind: Literal["evaluate"] = "evaluate"
    version: int
    probe: str
    options: dict[str, float | int]
    backbone: str
    image_size: int
    precision: Precision
    data: str
    weights: str | None
    init: int | None
    metric: str = later(UNSAID)
    code: str | None = later(None)
