"""Files that hold several networks: which one is loaded, and when a user is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hpt_ray.core.errors import WeightsError
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.training.backbone import build
from hpt_ray.training.weights import checkpoints
from hpt_ray.training.weights.audit import lines
from hpt_ray.training.weights.inspect_weights import inspect_weights

State = dict[str, Tensor]


def network(seed: int) -> State:
    return dict(build("resnet_small", seed).state_dict())


ONE, OTHER = network(1), network(2)


def under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def renamed(state: State) -> State:
    """Every layer under a name of no backbone, in the order of the network."""
    layers = {layer: f"part_{i}" for i, layer in enumerate(dict.fromkeys(key.rpartition(".")[0] for key in state))}
    return {f"{layers[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in state.items()}


def loaded(state: State, place: str | None = None) -> str:
    """Which network arrives."""
    backbone = build("resnet_small", 0)
    checkpoints.load(backbone, state, place=place)
    kernel = backbone.state_dict()["conv1.weight"]
    return "one" if torch.equal(kernel, ONE["conv1.weight"]) else "other"


SEVERAL = {
    "two encoders": ("state_dict/encoder_ir.", "state_dict/encoder_rgb."),
    "an average": ("averaged_model/module.", "model/"),
    "the best and the last": ("best_state/", "last_state/"),
    "distilled": ("student/", "teacher/"),
    "distilled, Lightning": ("state_dict/student_backbone.", "state_dict/teacher_backbone."),
    "distilled, with classifiers": ("student.net.", "teacher.net."),
    "one in a part of the other": ("", "encoder."),
    "two copies": ("ema/", "momentum_encoder/"),
}


@pytest.mark.parametrize(
    ("case", "names"),
    # By order alone, a network with another one in it is none.
    [(case, names) for case in SEVERAL for names in ("backbone's", "others") if names != "others" or SEVERAL[case][0]],
)
def test_of_networks_that_differ_the_user_names_one(case: str, names: str) -> None:
    first, second = SEVERAL[case]
    one, other = (ONE, OTHER) if names == "backbone's" else (renamed(ONE), renamed(OTHER))
    state = under(first, one) | under(second, other)
    if "classifiers" in case:
        state |= {"student.net.fc.weight": torch.rand(3, 4), "teacher.net.fc.weight": torch.rand(3, 4)}
    with pytest.raises(WeightsError, match="holds 2 networks that fit equally well and differ") as caught:
        loaded(state)
    assert first in str(caught.value) and second in str(caught.value)
    assert f"weights:FILE#{second}" in str(caught.value)
    assert loaded(state, first) == "one"
    assert loaded(state, second) == "other"
    assert loaded(state, second.rstrip("./")) == "other"


def test_the_dict_around_a_network_names_it_as_well() -> None:
    state = under("teacher/module.net.", ONE) | under("student/module.net.", OTHER)
    assert loaded(state, "teacher") == "one"
    assert loaded(state, "student") == "other"


@pytest.mark.parametrize(
    "state",
    [
        under("state_dict/", ONE) | under("model/", ONE),
        under("teacher/backbone.", ONE) | under("student/module.backbone.", OTHER),
        under("teacher_backbone.", ONE)
        | under("student_backbone.", OTHER)
        | {"student_head.layers.0.weight": torch.rand(4, 4), "teacher_head.layers.0.weight": torch.rand(4, 4)},
        under("model/trunk.", ONE) | under("loss/moco_encoder.trunk.", OTHER),
        under("model/", ONE) | under("model_ema/", OTHER),
    ],
    ids=["one, twice", "DINO", "DINO, lightly", "MoCo, VISSL", "with an average"],
)
def test_copies_are_no_question_and_are_spoken_of(state: State) -> None:
    assert loaded(state) == "one"
    audit = checkpoints.load(build("resnet_small", 0), state)
    (copy,) = audit.copies
    assert audit.rivals == ()
    assert f"45 of 45 tensors, from {audit.prefix} (not from its copy {copy})" in lines("a.pth", audit)[0]


def test_a_deeper_teacher_is_no_rival() -> None:
    """It has every name of the shallower student, which alone is the backbone."""
    deeper = OTHER | {f"layer3.{block}.conv1.weight": torch.rand(128, 128, 3, 3) for block in range(1, 9)}
    assert loaded(under("a_teacher/", deeper) | under("student/", ONE)) == "one"


def test_a_place_that_holds_nothing_of_the_backbone() -> None:
    with pytest.raises(
        WeightsError, match=r"nothing of the backbone at 'rgb': there is some at net\. to be named instead\.$"
    ):
        loaded(under("net.", ONE), "rgb")


def test_a_place_stands_after_the_last_number_sign_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "run#3.pth").touch()

    def parts(text: str) -> tuple[str, str | None]:
        source = WeightSource.parse(text)
        assert str(source) == text
        return source.address, source.place

    assert parts("a.pth") == ("a.pth", None)
    assert parts("a.pth#teacher/module.") == ("a.pth", "teacher/module.")
    assert parts("a.pth#") == ("a.pth", "")
    assert parts(str(tmp_path / "run#3.pth")) == (str(tmp_path / "run#3.pth"), None)
    assert parts(f"{tmp_path}/run#3.pth#ema") == (f"{tmp_path}/run#3.pth", "ema")


@pytest.mark.slow
def test_inspect_shows_the_choice_and_takes_it(tmp_path: Path) -> None:
    source = str(tmp_path / "towers.pth")
    torch.save({"ir": ONE, "rgb": OTHER}, source)
    asked = inspect_weights(source)
    assert not asked.loads and "2 networks" in asked.verdict
    assert [network.why for network in asked.networks][1] == (
        "fits as well and differs: name the one that you want, such as #rgb/ after the file"
    )
    chosen = inspect_weights(f"{source}#rgb")
    assert chosen.loads and chosen.audit is not None and chosen.audit.prefix == "rgb/"
    assert [(network.prefix, network.chosen) for network in chosen.networks] == [("rgb/", True), ("ir/", False)]
