from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hpt_ray.core.channels import Channels, spelled
from hpt_ray.core.errors import StudyError
from hpt_ray.spec.parameters import make

CHANNELS = TypeAdapter(Channels)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (3, 3),
        ("3", 3),
        (["3"], 3),
        ("all", "all"),
        (["all"], "all"),
        (["4", "3", "2"], (4, 3, 2)),
        ((4, 3, 2), (4, 3, 2)),
        ("8, 4", (8, 4)),
    ],
)
def test_what_a_user_or_a_stored_study_writes(written: Any, expected: Any) -> None:
    channels = CHANNELS.validate_python(written)
    assert channels == expected
    assert CHANNELS.validate_json(CHANNELS.dump_json(channels)) == channels
    assert CHANNELS.validate_python(spelled(channels)) == channels


@pytest.mark.parametrize("written", ["4", 13, "rgb", [], "0,1", "3,17", "4,4", None, "1.5,2", [4]])
def test_what_is_no_choice_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        CHANNELS.validate_python(written)


def test_one_number_is_refused_in_a_line_that_says_what_to_write() -> None:
    """As a band or as a number of channels it could be meant."""
    expected = (
        r"^channels=4: write 3 \(red, green and blue\), all, or two or more numbers of bands.*, such as 4,3,2; exp"
    )
    with pytest.raises(StudyError, match=expected):
        make("augment_ablation", {"channels": "4"})
    assert make("augment_ablation", {"channels": "4,3,2"}).channels == (4, 3, 2)
    assert make("augment_ablation", {"channels": "3"}) == make("augment_ablation", {"channels": 3})
