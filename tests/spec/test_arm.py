from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.arm import Arm, Phase
from tests.support import small

roles = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
tunes = st.sampled_from(["all", "bn", "keep"])
weights = st.none() | st.integers(0, 100).map(lambda number: number / 100)
later = st.lists(st.builds(Phase, role=roles, tune=tunes, weight=weights), max_size=4)
phases = st.builds(lambda first, rest: [first, *rest], st.builds(Phase, role=roles, tune=tunes), later)
space = st.sampled_from(["", " ", "  "])


@given(phases)
def test_a_chain_reads_back_as_the_arm_it_was_written_from(links):
    arm = Arm(phases=tuple(links))
    assert Arm.parse(arm.chain) == arm


@given(phases, st.data())
def test_spaces_around_links_and_an_explicit_all_mean_nothing(links, data):
    arm = Arm(phases=tuple(links))
    written = [
        data.draw(space)
        + link.role
        + (data.draw(st.sampled_from(["", ":all"])) if link.tune == "all" else f":{link.tune}")
        + data.draw(space)
        for link in links
    ]
    joints = [">" if link.weight is None else f"~{link.weight}~" for link in links[1:]]
    assert Arm.parse("".join(map("".join, zip(["", *joints], written, strict=True)))) == arm


@given(st.text(alphabet="ab:>~05- .", max_size=9))
def test_whatever_is_written_is_read_or_refused_in_one_line(text):
    try:
        assert Arm.parse(Arm.parse(text).chain) == Arm.parse(text)
    except StudyError as error:
        assert "cannot be read" in str(error)


@pytest.mark.parametrize("chain", ["", ">", "base>", ">target", "base>>target", "base>target:batchnorm", "1a", "a-b"])
def test_a_broken_chain_is_refused(chain):
    with pytest.raises(StudyError, match="write roles joined by '>'"):
        Arm.parse(chain)


@pytest.mark.parametrize("weight", ["", "a", "1.1", "-0.1", "-0", "0_1", "٠", "nan", "inf"])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(StudyError, match=r"write the weight of the end as a number from 0 to 1") as caught:
        Arm.parse(f"base~{weight}~target")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("chain", ["~0.5~target", "base~0.5", "base~target", "base~0.5~", "base>0.5~target"])
def test_a_weight_stands_between_two_roles(chain):
    with pytest.raises(StudyError, match="write roles joined by '>'"):
        Arm.parse(chain)


def test_an_average_is_of_the_end_of_its_phase_and_of_its_start():
    arm = Arm.parse("base~.50~source:bn>target")
    assert arm.chain == arm.label == "base~0.5~source:bn>target"
    assert [phase.name for phase in arm.phases] == ["base", "source:bn", "target"] and arm.stages == 4
    assert [arm.until(number).chain for number in (1, 2, 3)] == [
        "base",
        "base>source:bn",
        "base~0.5~source:bn>target",
    ]


def test_arms_have_the_names_of_the_paper():
    labels = {chain: Arm.parse(chain).label for chain in (*small.ARMS, "base>source>target")}
    assert labels == {
        "target": "From scratch",
        "base": "Direct transfer",
        "base>target": "HPT",
        "base>target:bn": "HPT-BN",
        "base>source>target": "base>source>target",
    }
