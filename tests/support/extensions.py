"""One file of each kind that a user may add, the smallest that shows that it was used: kind -> (file name, text)."""

from __future__ import annotations

from pathlib import Path

STUDY = '''"""Is what I added used?"""

from typing import Unpack

from hpt_ray.spec import factors
from hpt_ray.spec.scales import SCALES, Budgets, Targets, given_base
from hpt_ray.spec.study import Study


def study(*, target: Targets = ("digits",), policies: tuple[str, ...] = ("baseline",), **settings: Unpack[Budgets]):
    given = SCALES["quick"].adjusted(**settings)
    return Study(
        name="mine",
        question="Is what I added used?",
        arms=("target", "base", "base>target"),
        targets=target,
        recipes={"base": given_base("synthetic:objects,n=80", given.base), "target": given.target},
        factors=(factors.policies(policies, given.target),),
        seeds=(0,),
        evaluations=given.evaluations,
        dashboard="page.py",
        **given.network,
    )
'''
DASHBOARD = """
from hpt_ray.report.dashboard import Dashboard, Section

sections = (Section(title="A figure of my own", figure="stages.py", prose="Prose of my own."),)
dashboard = Dashboard(title="A page of my own", verdict="count.py", sections=sections)
"""
DATASET = """
import numpy as np
from hpt_ray.data.records import Example, Records, Source


def dataset(argument):
    def read():
        images = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 3), dtype=np.uint8)
        return Records(80, ("a", "b"), [Example(image, str(i), i % 2) for i, image in enumerate(images)])

    return Source("noise", "noise 1", read)
"""
POLICY = 'from hpt_ray.spec.policy import Policy\n\npolicy = Policy().without("color_jitter", "blur")\n'
FIGURE = """
from markupsafe import Markup
from hpt_ray.report.figure import Figure


def compute(run):
    return len(run.results)


def draw(rows):
    return Markup("<p>{} rows, drawn by me</p>").format(rows)


figure = Figure(compute, draw, "A caption of my own.")
"""
METHOD = """
from pathlib import Path
from hpt_ray.training.methods.simclr import SimCLR


class Mine(SimCLR):
    def step(self, batch, workers):
        Path(__file__).with_name("stepped").touch()
        return super().step(batch, workers)


method = Mine
"""
BACKBONE = """
from torch import nn
from hpt_ray.training.backbone import Backbone


def backbone():
    layers = {"my_conv": nn.Conv2d(3, 8, 3, stride=2), "my_norm": nn.BatchNorm2d(8), "pool": nn.AdaptiveAvgPool2d(1)}
    return Backbone(layers, dim=8)
"""
PROBE = """
import numpy as np
from hpt_ray.training.probe import Answer


def probe(subject):
    first = {name: np.zeros(len(subject.labelled[name]), np.int64) for name in ("val", "test")}
    return [Answer(first["val"], first["test"], {})]
"""
METRIC = """
from hpt_ray.core.metric import Metric


def scores(classes, labels):
    return (classes != labels).astype(float)


metric = Metric(label="miss rate", plural="miss rates", definition="the share of wrong answers", multilabel=False,
                scores=scores, chance=lambda labels: 0.5)
"""
VERDICT = """
from dataclasses import dataclass, replace
from hpt_ray.analysis.sentence import clause
from hpt_ray.analysis.verdicts.robustness import verdict as usual


@dataclass(frozen=True)
class Rows:
    number: int


@clause.register
def words(finding: Rows):
    return f"a verdict of my own counts {finding.number} rows"


def verdict(run, target):
    return replace(usual(run, target), findings=(Rows(len(run.results)),))
"""
BACKEND = """
import contextlib
from pathlib import Path
from hpt_ray.execute.backends.inline import backend as inline


@contextlib.contextmanager
def backend(request):
    Path(__file__).with_name("opened").touch()
    with inline(request) as runner:
        yield runner
"""
WRITER = """
from pathlib import Path


def writer(watched):
    Path(__file__).with_name("watched").write_text(f"{watched.study}, {len(watched.curves)} curves")
    return "a writer of my own has it"
"""
FILES = {
    "studies": ("study.py", STUDY),
    "dashboards": ("page.py", DASHBOARD),
    "datasets": ("noise.py", DATASET),
    "policies": ("gentle.py", POLICY),
    "figures": ("stages.py", FIGURE),
    "methods": ("own_method.py", METHOD),
    "backbones": ("tiny_net.py", BACKBONE),
    "probes": ("always_a.py", PROBE),
    "metrics": ("misses.py", METRIC),
    "verdicts": ("count.py", VERDICT),
    "backends": ("my_backend.py", BACKEND),
    "writers": ("my_writer.py", WRITER),
}
#: How a command line names those that a study does not name itself.
NAMED = {
    "datasets": "--set=target={}",
    "policies": "--set=policies=baseline,{}",
    "methods": "--set=method={}",
    "backbones": "--set=backbone={}",
    "probes": "--set=probe={},knn",
    "metrics": "--set=metric={}",
    "backends": "--runner={}",
    "writers": "--watch={}",
}
TINY = ["iterations=2", "scratch_iterations=2", "base_iterations=2", "batch=16", "group=8", "image_size=16"]


def write(folder: Path) -> None:
    """Leave one file of each kind in a folder."""
    folder.mkdir()
    for name, text in FILES.values():
        (folder / name).write_text(text)


def command(*, kinds: dict[str, str]) -> list[str]:
    """A command line that runs the study in ``mine``, with a path or name for each of some kinds."""
    named = [NAMED[kind].format(name) for kind, name in kinds.items()]
    return ["run", "./mine/study.py", *named, *(f"--set={setting}" for setting in [*TINY, "precision=float32"])]
