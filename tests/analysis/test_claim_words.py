"""What would settle a claim, in words."""

from __future__ import annotations

import pytest

from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.claim_words import needed
from hpt_ray.analysis.need import Need
from hpt_ray.analysis.stats.exact import Enough


@pytest.mark.parametrize(
    ("enough", "says"),
    [
        (
            Enough(3, 142, 400),
            "Of 142 test images HPT and pretraining from scratch differ on 3, too few to tell: at least",
        ),
        (Enough(1, 1, 6), "Of 1 test image HPT"),
        (
            Enough(3, 11, 40, grouped=True),
            "Of 11 groups of test images HPT and pretraining from scratch differ on 3, too",
        ),
        (Enough(1, 1, 6, grouped=True), "Of 1 group of test images HPT"),
        (
            Enough(0, 11, 368, grouped=True),
            "differ on none: 368 such groups would show that there is no difference of 1 ",
        ),
    ],
)
def test_test_images_are_counted_as_what_they_are(enough: Enough, says: str) -> None:
    claim = Claim("accuracy", "HPT", "From scratch", None, "accuracy", "linear", needed=Need(images=enough))
    assert says in needed(claim)
