from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.registry import load
from hpt_ray.spec.parameters import make, parameters, resolved
from hpt_ray.spec.study import Pretraining, Study
from tests.support.places import ROOT

HEAD = """
from typing import Annotated, Literal
from hpt_ray.spec.study import Evaluation, Factor, Pretraining, Study

def made(**changes):
    given = dict(name="mine", question="?", arms=("target",), targets=("digits",), seeds=(0,),
        recipes={"target": Pretraining(iterations=1)}, evaluations=(Evaluation(probe="linear"),),
        backbone="resnet_small", image_size=8, decode_size=8)
    return Study(**given | changes)
"""

LINE = HEAD.count("\n") + 1  # where what is written below it begins


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "mine.py"
        path.write_text(HEAD + textwrap.dedent(text))
        return str(path)

    return write


@pytest.fixture
def typed(write):
    return write("""
        def study(*, number: Annotated[int, "a number"] = 1, rate: float | None = 0.5, on: bool = False,
                  some: Annotated[tuple[str, ...], "names"] = ("x",), many: tuple[int, ...] | None = None,
                  which: Literal["one", "two"] = "one", text: str = "t") -> Study:
            return made(targets=some)
        """)


def setting(path: str, name: str, value: object) -> object:
    return make(path, {name: value}).parameters[name]


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("number", "5", 5),
        ("number", 5, 5),
        ("rate", "0.25", 0.25),
        ("rate", "1e-3", 1e-3),
        ("rate", "none", None),
        ("rate", "None", None),
        ("on", "true", True),
        ("on", "no", False),
        ("some", "a", ("a",)),
        ("some", "a,b", ("a", "b")),
        ("some", " a , b,", ("a", "b")),
        ("some", ["a", "b"], ("a", "b")),
        ("some", "synthetic:shape,n=200,seed=1,digits", ("synthetic:shape,n=200,seed=1", "digits")),
        ("some", "data/{train,test}-*.parquet,digits", ("data/{train,test}-*.parquet", "digits")),
        ("some", "none", ("none",)),
        ("many", "1,2", (1, 2)),
        ("many", "none", None),
        ("which", "two", "two"),
        ("text", "a,b", "a,b"),
        ("text", "none", "none"),
    ],
)
def test_a_setting_is_read_by_its_declared_type(typed, name, value, read):
    found = setting(typed, name, value)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("number", "three", r"number=three: .*integer.*expected int\."),
        ("number", "1.5", "number=1.5: .*expected int"),
        ("number", "none", "number=none: .*expected int"),
        ("number", "", "number is empty; expected int"),
        ("rate", "fast", r"rate=fast: .*expected float \| none"),
        ("on", "perhaps", "on=perhaps: .*expected bool"),
        ("some", "", "some is empty; expected list of str"),
        ("some", ",", "some is empty; expected list of str"),
        ("many", "1,x", r"many=1,x: .*expected list of int \| none"),
        ("which", "three", r"which=three: .*expected one \| two"),
        ("text", "", "text is empty; expected str"),
        ("text", 3, "text=3: .*expected str"),
        ("number", True, "number is true or false; expected int"),
        ("rate", False, "rate is true or false; expected float"),
        ("many", [1, True], "many is true or false; expected list of int"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_was_expected(typed, name, value, message):
    with pytest.raises(StudyError, match=message):
        setting(typed, name, value)


names = st.from_regex(r"[A-Za-z0-9_./:]{1,12}", fullmatch=True).filter(lambda text: text.lower() != "none")


@given(st.lists(names, min_size=1, max_size=4, unique=True))
def test_a_list_joined_by_commas_is_that_list(values):
    path = ROOT / "studies" / "augment_ablation.py"
    assert make(str(path), {"target": ",".join(values)}).targets == tuple(values)


def test_an_unknown_parameter_gives_the_nearest_and_all_that_exist(typed):
    with pytest.raises(UnknownNameError) as caught:
        make(typed, {"nmber": 3})
    assert "'nmber'. Did you mean 'number'? Available: many, number, on, rate, some, text, which." in str(caught.value)


def test_what_is_not_set_is_left_to_the_function(typed):
    made = make(typed, {"number": "2"})
    assert made.parameters == {"number": 2}
    assert made.targets == ("x",)


def test_parameters_tell_type_default_and_meaning(typed):
    told = {item.name: (item.type, item.default, item.help) for item in parameters(load("studies", typed))}
    assert told["number"] == ("int", 1, "a number")
    assert told["rate"] == ("float | none", 0.5, "")
    assert told["some"] == ("list of str", ("x",), "names")
    assert told["which"] == ("one | two", "one", "")
    assert told["many"] == ("list of int | none", None, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study = 3", "`study` is not a function"),
        ("def study(a: int): return made()", "argument 'a' of a study has no type or no default"),
        ("def study(*, a=3): return made()", "argument 'a' of a study has no type or no default"),
        ("def study(**more: int): return made()", "argument 'more' of a study has no type or no default"),
        ("def study(*, a: 'Nowhere' = 3): return made()", "types of a study's arguments cannot be read.*Nowhere"),
        ("def study(): return 3", "returned int: it must return a hpt_ray.spec.study.Study"),
        ("def study():\n    raise ValueError('two\\nlines')", f"mine.py, line {LINE + 1}: ValueError: two lines"),
        ("def study(): return made(nonsense=1)", "nonsense: Extra inputs are not permitted"),
        ("def study(): return made(arms=())", "arms: give at least one"),
        ("def study(): return made(backbone=3)", "backbone: .*string"),
        ("def study(): return made(arms=('x',))", "unknown role in arm 'x' 'x'"),
        (
            "def study(): return made(factors=(Factor(name='f', field='x', levels={'a': 1}, baseline='a'),))",
            "no field 'x'",
        ),
    ],
)
def test_a_study_that_cannot_be_made_is_refused_in_one_line(write, text, message):
    with pytest.raises(StudyError, match=message) as caught:
        make(write(text))
    assert "\n" not in str(caught.value)


def recipe(study: Study, role: str) -> Pretraining:
    found = study.recipes[role]
    assert isinstance(found, Pretraining)
    return found


def test_the_ablation_compares_the_arms_and_policies_of_the_paper():
    study = make("augment_ablation")
    assert [arm.chain for arm in study.arms] == ["target", "base", "base>target", "base>target:bn"]
    (factor,) = study.factors
    assert (factor.name, factor.field, factor.roles, factor.baseline) == ("policy", "policy", ("target",), "baseline")
    assert list(factor.levels) == ["baseline", "no_grayscale", "no_color", "crop_blur", "crop_only"]
    assert study.seeds == (0, 1, 2)
    assert [evaluation.probe for evaluation in study.evaluations] == ["linear", "knn"]
    assert (recipe(study, "base").seed, recipe(study, "base").seeds) == (None, None)  # each seed has its own
    assert recipe(study, "target").seed is None


def test_the_paper_scale_is_the_papers_protocol():
    """Reed et al., arXiv 2103.12718, section 4 and the published configurations; MoCo-v2, arXiv 2003.04297."""
    study = make("augment_ablation", {"scale": "paper"})
    assert (study.backbone, study.image_size) == ("resnet50", 224)
    target = recipe(study, "target")
    method = load("methods", target.method)
    options = method.options(target.options)
    assert (options.queue, options.key_momentum, options.temperature, options.dim) == (65_536, 0.999, 0.2, 128)
    assert (target.batch, target.group, target.lr, target.momentum, target.weight_decay) == (256, 64, 0.03, 0.9, 1e-4)
    assert (target.iterations, target.iterations_from_scratch) == (5_000, 100_000)
    levels = study.factors[0].levels
    assert levels["baseline"].color_jitter.model_dump() == {
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "hue": 0.4,
        "p": 0.8,
    }
    assert levels["baseline"].crop.scale == (0.2, 1.0)
    assert levels["baseline"].blur.sigma == (0.1, 2.0)
    assert levels["no_color"].color_jitter is None


def test_settings_change_the_scale_they_are_on():
    study = make(
        "augment_ablation", {"iterations": 7, "scratch_iterations": 9, "batch": "32", "group": "16", "lr": "0.1"}
    )
    target = recipe(study, "target")
    assert (target.iterations, target.iterations_from_scratch) == (7, 9)
    assert [(r.batch, r.group, r.lr) for r in (target, recipe(study, "base"))] == [(32, 16, 0.1)] * 2
    assert make("augment_ablation", {"seeds": "5"}).seeds == (0, 1, 2, 3, 4)


SHARED = """
from typing import TypedDict, Unpack

class Settings(TypedDict, total=False):
    size: Annotated[int, "a size"]
"""


def test_shared_parameters_are_parameters_like_any_other(write):
    path = write(
        SHARED
        + "\ndef study(*, own: int = 1, **shared: Unpack[Settings]): return made(image_size=shared.get('size', 8))\n"
    )
    assert [(item.name, item.type, item.default, item.help) for item in parameters(load("studies", path))] == [
        ("own", "int", 1, ""),
        ("size", "int", None, "a size"),
    ]
    assert make(path).image_size == 8 and make(path, {"size": "4"}).image_size == 4
    with pytest.raises(StudyError, match=r"size=large: .*; expected int"):
        make(path, {"size": "large"})
    with pytest.raises(UnknownNameError, match="Did you mean 'size'"):
        make(path, {"sise": "4"})


STUDIES = (
    "adapt",
    "augment_ablation",
    "base_robustness",
    "data_fraction",
    "iteration_budget",
    "landscape",
    "low_label",
    "methods",
    "sequential",
)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_every_study_takes_the_shared_parameters_at_every_scale(name, scale):
    made = make(
        name,
        {"scale": scale, "backbone": "resnet18", "image_size": 64, "lr": 0.1, "batch": 128, "group": 32, "seeds": 2},
    )
    assert (made.backbone, made.image_size, made.seeds) == ("resnet18", 64, (0, 1))
    recipes = [recipe for recipe in made.recipes.values() if isinstance(recipe, Pretraining)]
    assert {(recipe.lr, recipe.batch, recipe.group) for recipe in recipes} == {(0.1, 128, 32)}


def test_the_papers_grids():
    def levels(name: str) -> list[dict[str, object]]:
        (factor,) = make(name, {"scale": "paper"}).factors
        return [factor.changes(level) for level in factor.levels]

    (budget,) = make("iteration_budget", {"scale": "paper"}).factors
    assert budget.only["base>target"] == budget.only["base>target:bn"] == ("50", "500", "5000", "50000")
    assert budget.only["target"] == ("5000", "50000", "100000", "200000")
    assert levels("data_fraction") == [{"fraction": share} for share in (0.01, 0.1, 0.25, 0.5, 1.0)]
    epochs = [change["iterations"] // 5004 for change in levels("base_robustness") if "method" not in change]
    assert epochs == [20, 200, 800]
    assert [arm.chain for arm in make("sequential", {"scale": "paper"}).arms] == [
        "target",
        "base",
        "base>target",
        "base>source",
        "source>target",
        "base>source>target",
    ]
    tuned = make("low_label", {"scale": "paper"}).evaluations[:2]
    assert [(item.options.get("labels"), item.options["iterations"]) for item in tuned] == [(1000, 2500), (None, 2500)]
    assert [change["method"] for change in levels("methods")] == ["moco_v2", "simclr", "byol"]


def test_a_landscape_varies_any_two_of_policy_data_and_budget():
    def axes(**given: object) -> list[tuple[str, tuple[str, ...], str]]:
        factors = make("landscape", given).factors
        return [(factor.name, tuple(factor.levels), factor.baseline) for factor in factors]

    policies = ("policy", ("baseline", "no_color", "crop_only"), "baseline")
    assert axes() == [policies, ("iterations", ("30", "90", "270"), "270")]
    shares = ("fraction", ("5 %", "50 %"), "50 %")
    assert axes(rows="fraction", columns="policy", percent="50,5") == [shares, policies]
    long = make("landscape", {"scale": "paper", "rows": "fraction"}).recipes["target"]
    assert isinstance(long, Pretraining) and long.iterations_from_scratch is None
    other = make("landscape", {"rows": "fraction", "columns": "policy", "iterations": 7, "scratch_iterations": 9})
    recipe = other.recipes["target"]
    assert isinstance(recipe, Pretraining) and (recipe.iterations, recipe.iterations_from_scratch) == (7, 9)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"rows": "iterations"}, "rows and columns both vary iterations"),
        ({"percent": "5,50"}, "percent is given, but neither rows nor columns vary fraction"),
        ({"scratch_iterations": 9}, "scratch_iterations is given, but an axis varies the iterations"),
        ({"columns": "colour"}, "expected policy | fraction | iterations"),
    ],
)
def test_a_landscape_refuses_what_it_would_not_use(given, line):
    with pytest.raises(StudyError, match=re.escape(line)):
        make("landscape", given)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("./a,b", ("./a,b",)),
        ("a,b", ("a,b",)),
        ("./a,b,x", ("./a,b", "x")),
        ("x, ./a,b ,./one, two,y", ("x", "./a,b", "./one, two", "y")),
        ("image_folder:./a,b,digits", ("image_folder:./a,b", "digits")),
        ("{here}/a,b,x", ("{here}/a,b", "x")),
        ("./lr=1,n=2,b=3", ("./lr=1,n=2,b=3",)),
        ("./a,c", ("./a", "c")),
        ("torchvision:MNIST,root=./a,b,x", ("torchvision:MNIST,root=./a,b", "x")),
        ("synthetic:shape,n=5,a,b", ("synthetic:shape,n=5", "a,b")),
        ("digits,image_folder:./a", ("digits", "image_folder:./a")),
        ("x,,y,", ("x", "y")),
        (",".join("x" * 2000), ("x",) * 2000),
    ],
)
def test_a_path_with_commas_that_exists_is_one_value(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, read: tuple[str, ...]
) -> None:
    for name in ("a", "a,b", "one, two", "lr=1,n=2,b=3"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    value, read = value.replace("{here}", str(tmp_path)), tuple(one.replace("{here}", str(tmp_path)) for one in read)
    if len(set(read)) < len(read):  # refused by the study, and read all the same
        with pytest.raises(StudyError, match="named twice"):
            make(typed, {"some": value})
    else:
        assert setting(typed, "some", value) == read


def test_numbers_are_separated_whatever_files_there_are(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1,2").touch()
    monkeypatch.chdir(tmp_path)
    assert setting(typed, "many", "1,2") == (1, 2)


def test_resolved_are_the_values_that_a_study_was_made_with() -> None:
    values = resolved(make("advice", {"policies": "baseline", "scale": "paper", "methods": "none"}))
    assert values["policies"] == ("baseline",) and values["budgets"] == (500, 5_000)
    assert values["method"] == "moco_v2" and values["methods"] is None and values["backbone"] == "resnet50"
    assert resolved(make("advice"))["budgets"] == (30, 90)
