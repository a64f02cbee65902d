"""Whatever is asked for, the answer is a valid plan or one line that says what is wrong, and no store is begun.

The slow twins of these tests and of those of bad files have at least 2,000 cases together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from hpt_ray.core import registry
from hpt_ray.spec.parameters import parameters
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.study import Pretraining
from tests.support.generated import BASE, ENDED, PLAIN, TARGET, ends_well, exits_well, generated, plan, tiny, workplace


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with workplace(tmp_path_factory.mktemp("workplace")) as place:
        yield place


# What is typed: names and values

#: Numbers of the size of a plan that is made at once, or far beyond any: what lies between is only large.
INTEGERS = st.one_of(st.integers(-3, 5), st.integers(10**7, 10**40), st.integers(-(10**40), -(10**7)))
WORDS = st.sampled_from([
    "", " ", ",", ",,", "none", "None", "nan", "inf", "-inf", "1e400", "1e-400", "true", "[]", "{}", "[1, 2]", "0x10",
    "quick", "paper", "base", "target", "moco_v2", "byol", "resnet_small", "torchvision/resnet18", "timm/nothing",
    "torchvision/", "/", "..", "../..", "~", "~nobody/x", ".py", "file", "file/below", "good", "\x00", "\x1b[31m",
    "\ud800", "\u202e", "💥", "a" * 5_000, "9" * 5_000, "1" + "0" * 400, "a,b,a", "=", "x=y", "%s", "{0}", "$HOME",
])  # fmt: skip
STUDIES = st.sampled_from(registry.names("studies"))
#: What fits a parameter's type, and often nothing else.
FITTING = {
    "int": INTEGERS.map(str),
    "float": st.floats().map(str),
    "bool": st.sampled_from(["yes", "no", "2"]),
    "list of int": st.lists(INTEGERS.map(str), max_size=3).map(",".join),
    "list of float": st.lists((st.floats() | INTEGERS).map(str), max_size=3).map(",".join),
    "list of str": st.lists(st.sampled_from([TARGET, BASE, "target", "base>target", "crop_only", "byol"])).map(
        ",".join
    ),
    "str": st.sampled_from(["simclr", "byol", "supervised", "resnet_small", "resnet18", BASE, "file", "good"]),
}


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A study, and one or two of its parameters, at times misspelt or of another type."""
    study, changes = draw(STUDIES), {}
    for parameter in draw(
        st.lists(st.sampled_from(parameters(registry.load("studies", study))), min_size=1, max_size=2)
    ):
        name, fitting = parameter.name, FITTING.get(parameter.type.removesuffix(" | none"), WORDS)
        value = st.one_of(fitting, fitting, fitting, WORDS, INTEGERS.map(str), st.text(max_size=9))
        changes[draw(st.sampled_from([name] * 20 + [name[1:], name.upper(), f"{name} ", ""]))] = draw(value)
    return study, changes


@generated(700, asked())
def test_settings(case: tuple[str, dict[str, str]]) -> None:
    study, changes = case
    ends_well("settings", lambda: plan(study, tiny(study, **changes)))


ROLES = st.sampled_from(["base", "target", "base", "target", "source", "target:bn", "target:all", "base:bn", "target:"])
LINKS = st.one_of(
    ROLES, ROLES, ROLES, ROLES, st.sampled_from(["", " ", ">", ":bn", "tarqet", "target:bn:bn", "target :bn"])
)
CHAINS = st.one_of(st.lists(LINKS, min_size=1, max_size=4).map(">".join), st.text(max_size=9))


@generated(
    300,
    st.sampled_from(["augment_ablation", "sequential", "iteration_budget", "augment_search"]),
    st.lists(st.one_of(CHAINS, CHAINS, CHAINS, LINKS), min_size=1, max_size=3),
)
def test_arms(study: str, arms: list[str]) -> None:
    ends_well("arms", lambda: plan(study, tiny(study, arms=arms)))


PRINTED = st.text(max_size=12).filter(lambda text: not {"/", "\\"} & {*text})  # "/" would be a folder of many images
SPECS = st.one_of(
    st.sampled_from(["digits:x=", "digits:0", "synthetic:shape,n=0"])
    | st.sampled_from(["synthetic:shape,n=40", "synthetic:shape,n=-1", "synthetic:shape,n=1e3", "synthetic:shape,n=²"])
    | st.sampled_from(["synthetic:n=20,,", "synthetic:n=20", "synthetic:seed=x", "synthetic:shape,seed=" + "9" * 4_999])
    | st.sampled_from(["synthetic:shape,n=40,seed=-1", "synthetic:shape,n=40,n=50", "synthetic:shape,colour=1"])
    | st.sampled_from(["torchvision", "torchvision:", "torchvision:CIFAR10,root=file", "torchvision:MNIST,root=\x00"])
    | st.sampled_from(["torchvision:CIFAR10,root=~nobody/x", "torchvision:CIFAR10,download=", "torchvision:ImageNet"])
    | st.sampled_from(["paper", "paper:", "paper:resisc", "paper:../..", "parquet:good", "parquet:", "image_list:good"])
    | st.sampled_from(
        ["image_list:file", "image_folder:file", "image_folder:.", "good", "./good", "good/a", "file", "."]
    )
    | st.sampled_from(["good/*.png", "**", "~nobody/images", "image_folder:~nobody", "good\x00", "image_list:\x00"])
    | st.sampled_from(["parquet:" + "a" * 300, "a" * 300, "a/" * 3_000, "/dev/null", "/dev/zero", "parquet:/dev/zero"])
    | st.sampled_from(
        ["s3://bucket/x", "http://example.invalid/x", "nothing.py", "file:x.py", ".py", "\ud800", "good "]
    ),
    PRINTED,
    PRINTED.map("synthetic:shape,n=24,{}".format),
    st.text("sn=,ed: 10-\x00", max_size=12).map("synthetic:shape,n=24,{}".format),
    PRINTED.filter(lambda text: text.strip(" .")).map("./{}".format),
)


@generated(250, st.sampled_from(["base", "target"]), SPECS)
def test_data_by_name(role: str, spec: str) -> None:
    value = [spec] if role == "target" else spec
    ends_well("data", lambda: plan("augment_ablation", tiny("augment_ablation", **{role: value})))


# Python: policies, levels and studies of one's own

NUMBERS = st.one_of(st.floats(-0.5, 1.5), st.floats(), st.integers(-1, 2), PLAIN)
OPERATORS = st.dictionaries(
    st.sampled_from([*Policy.model_fields, "crop", "rotate"]),
    st.one_of(
        st.none(),
        st.dictionaries(
            st.sampled_from(["p", "scale", "ratio", "sigma", "kernel", "brightness", "hue", "angle"]),
            NUMBERS | st.lists(NUMBERS, max_size=3),
            max_size=3,
        ),
        PLAIN,
    ),
    max_size=3,
)
MINE = """
from math import inf, nan
from hpt_ray.spec.study import Factor
from hpt_ray.spec.parameters import make

def study():
    given = make("augment_ablation", {tiny!r})
    factor = {{"name": "policy", "field": "policy", "levels": {{"a": {{}}}}, "baseline": "a"}} | {factor!r}
    return type(given).model_validate({{**given.model_dump(), "name": "mine", "factors": [factor], **{study!r}}})
"""
FIELDS = st.sampled_from([*Pretraining.model_fields, "nonsense", "name", None])
FACTORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["policy", "seed", "value", "", "a b", "\n"]) | PLAIN,
        "field": FIELDS,
        "levels": st.dictionaries(st.sampled_from(["a", "b", ""]), OPERATORS | PLAIN, max_size=2) | PLAIN,
        "baseline": st.sampled_from(["a", "b"]) | PLAIN,
        "roles": st.lists(st.sampled_from(["base", "target", "source"]), max_size=2) | PLAIN,
        "only": st.dictionaries(st.sampled_from(["target", "base>target"]), st.lists(st.just("a"))) | PLAIN,
    },
)
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["mine", "../mine", "a\n", "", "a" * 300, ".", "con"]) | PLAIN,
        "question": PLAIN,
        "arms": st.lists(CHAINS, max_size=2) | PLAIN,
        "targets": st.lists(st.sampled_from([TARGET, BASE, "digits", ""]), max_size=2) | PLAIN,
        "seeds": st.lists(INTEGERS, max_size=3) | PLAIN,
        "evaluations": st.lists(
            st.fixed_dictionaries(
                {"probe": st.sampled_from(["linear", "knn", "sgd", "finetune", "nothing", "", "../x.py"]) | PLAIN},
                optional={
                    "options": st.dictionaries(st.sampled_from(["k", "labels", "iterations", "lr", "x"]), NUMBERS),
                    "name": st.sampled_from(["", "a"]) | PLAIN,
                },
            ),
            max_size=2,
        )
        | PLAIN,
        "backbone": st.sampled_from(["resnet_small", "resnet18", "timm/resnet18", "good", "file", ""]) | PLAIN,
        "image_size": st.sampled_from([0, 1, 2, 15, 16, 17, 10**9]) | PLAIN,
        "decode_size": st.sampled_from([0, 1, 16, 24, 10**9]) | PLAIN,
        "precision": PLAIN,
        "search": st.dictionaries(st.sampled_from(["random", "asked", "rounds", "eta", "seeds"]), NUMBERS) | PLAIN,
        "recipes": st.dictionaries(
            st.sampled_from(["base", "target", "source"]),
            st.dictionaries(FIELDS.filter(bool) | st.just("source"), NUMBERS | st.sampled_from([TARGET, "byol"])),
        )
        | PLAIN,
    },
)


@generated(250, OPERATORS | PLAIN)
def test_policies_of_ones_own(policy: Any) -> None:
    made = f"Policy.model_validate({policy!r})" if isinstance(policy, dict) else repr(policy)
    text = f"from math import inf, nan\nfrom hpt_ray.spec.policy import Policy\npolicy = {made}\n"
    Path("policy.py").write_text(text, encoding="utf-8", errors="replace")
    ends_well("policies", lambda: plan("augment_ablation", tiny("augment_ablation", policies="policy.py")))


@generated(300, FACTORS, PARTS)
def test_studies_of_ones_own(factor: dict[str, Any], parts: dict[str, Any]) -> None:
    text = MINE.format(tiny=tiny("augment_ablation"), factor=factor, study=parts)
    Path("mine.py").write_text(text, encoding="utf-8", errors="replace")
    ends_well("studies", lambda: plan("mine.py", {}))


SCRIPTS = [
    "", "study", "study = 1", "def study(:", "def study(): pass", "def study(x): pass", "def study(x: int): pass",
    "def study(*, x: int = 'a'): return x", "def study(*, x: nothing = 1): pass", "class study: pass", "study = print",
    "import nothing", "raise SystemExit(3)", "raise KeyError", "x = 1 / 0", "def study(): raise SystemExit",
   "from hpt_ray.spec.policies.baseline import policy",
    "def study(): study()", "def study(*args): pass", "def study(**kwargs): pass", "async def study(): pass",
    "def study():\n    raise ValueError('a\\nb')", "def study(): yield 1", "study = lambda: 1", "study = None", "\x00",
    "def study(*, x: int = 1, **y: int): pass", "\ufeffdef study(): return {}", "def study(): assert False", "if True:",
    "def study():\n  raise Exception('\\ud800')", "exit()",
]  # fmt: skip


@generated(60, st.sampled_from(SCRIPTS).map(str.encode) | st.binary(max_size=30))
def test_study_files(script: bytes) -> None:
    Path("script.py").write_bytes(script)
    ends_well("scripts", lambda: plan("script.py", {}))
    ends_well("scripts", lambda: plan("augment_ablation", tiny("augment_ablation", target="script.py:x")))
    ends_well("scripts", lambda: plan("augment_ablation", tiny("augment_ablation", policies="./script.py")))
    ends_well("scripts", lambda: plan("augment_ablation", tiny("augment_ablation", backbone="./script.py")))


# The command line


@generated(120, asked(), st.sampled_from(["plan", "plan", "plan", "show", "report", "run"]))
def test_commands(case: tuple[str, dict[str, str]], command: str) -> None:
    study, changes = case
    words = [f"--set={name}={value}" for name, value in (tiny(study) | changes).items()] if command == "plan" else []
    if command == "run":  # the last word refuses it before it begins
        words = [*(f"--set={name}={value}" for name, value in changes.items()), "--set=seeds=none"]
    exits_well("commands", command, study, *words)


@generated(
    80,
    st.sampled_from(["plan", "show", "status", "report", "list", "weights", "run", "", "-", "--", "--nonsense"]),
    st.lists(
        st.sampled_from(["--set", "--store", "--workers", "--workers=0", "--runner=x", "inspect", "file", "good"])
        | st.sampled_from(
            ["good.safetensors", "--store=~nobody/x", "--store=" + "a/" * 3_000, "--store=x://y", "--store=", "-h"]
        )
        | WORDS.filter(lambda word: "\x00" not in word),
        max_size=3,
    ),
)
def test_words(command: str, words: list[str]) -> None:
    exits_well("words", command, *words)


@pytest.mark.slow
def test_at_least_two_thousand_cases_ended_well() -> None:
    """Counts those of the twins before it, here and in test_bad_files, so it means nothing when run alone."""
    if not any(test == "settings" for test, _ in ENDED):
        pytest.skip("no cases have been generated")
    assert sum(ENDED.values()) >= 2_000, ENDED
    assert {test for test, ended in ENDED if ended == "valid"} == {test for test, ended in ENDED if ended == "refused"}
