"""What views are made of: their images and their draws, noted while a stage trains."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from hpt_ray.training import views
from hpt_ray.training.augment.draws import Draws


def draws(monkeypatch: pytest.MonkeyPatch) -> list[Draws]:
    """Filled with the rows of each view that is prepared."""
    drawn: list[Draws] = []
    whole = views.Views.prepare

    def spying(self: views.Views, wanted: Any, **others: Any) -> Any:
        drawn.extend(view.draws for view in wanted)
        return whole(self, wanted, **others)

    monkeypatch.setattr(views.Views, "prepare", spying)
    return drawn


def corners(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Filled with the first pixel of each image of each view that is rendered."""
    seen: list[list[int]] = []
    whole = views.render

    def spying(images: Tensor, *rest: Any) -> Tensor:
        seen.append(images[:, 0, 0, 0].tolist())
        return whole(images, *rest)

    monkeypatch.setattr(views, "render", spying)
    return seen
