"""Groups of one image, in which batch norm may have one value of each channel: refused where it would fail, alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.prepare import prepare
from hpt_ray.store.store import Store
from hpt_ray.training.backbone import build
from hpt_ray.training.group_check import check_group
from hpt_ray.training.method import Method
from hpt_ray.training.workers import Workers
from tests.support import small, tiny

#: Methods that pass both views of a group at once.
TOGETHER = ("simclr", "lejepa", "vicreg", "dino")


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        ("resnet_small", 8),
        ("resnet_small", 16),
        pytest.param("resnet_small", 32, marks=pytest.mark.slow),
        pytest.param("resnet18", 32, marks=pytest.mark.slow),
        pytest.param("torchvision/vit_b_32", 32, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("method", tiny.OPTIONS)
def test_what_is_refused_is_what_fails_in_training(method: str, backbone: str, group: int, size: int) -> None:
    recipe = tiny.recipe(method=method, batch=group, group=group)
    kind: type[Method] = registry.load("methods", method)
    options = kind.options(recipe.options)
    made, drawn = kind(build(backbone, 0, size), options, 0, 2).train(), kind.draws(options, 0, 0, group, size)
    pair = (torch.randn(group, 3, size, size), torch.randn(group, 3, size, size))
    try:
        labels = torch.zeros(group, dtype=torch.long)
        made.step(tiny.batch(0, pair, group, labels, orders=kind.views, drawn=drawn), Workers())
        fails = False
    except ValueError as error:
        assert "more than 1 value per channel" in str(error)
        fails = True
    # BYOL's heads have no positions; the last map of the two ResNets has one; others pass two views at once.
    one_position = (backbone, size) in (("resnet_small", 8), ("resnet18", 32))
    assert fails == (group == 1 and (method == "byol" or (one_position and method not in TOGETHER)))
    if fails:
        with pytest.raises(StudyError, match=r"^group=1 gives .* one value of each channel.*: use group=2 or more\.$"):
            check_group(recipe, backbone, size)
    else:
        check_group(recipe, backbone, size)


def test_the_layer_is_named() -> None:
    with pytest.raises(StudyError, match=r"moco_v2's key\.backbone\.layer3\.0\.bn1, resnet_small at 8 px"):
        check_group(tiny.recipe(group=1), "resnet_small", 8)


def test_a_study_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    recipes = {"base": small.recipe(data=small.BASE, seed=0), "target": small.recipe(group=1)}
    with pytest.raises(StudyError, match="use group=2 or more"):
        prepare(small.study(recipes=recipes, image_size=8), Store(tmp_path, create=False))
    prepare(small.study(recipes=recipes), Store(tmp_path, create=False))
