"""What to say of claims that rest on one seed or two, of a study and of anyone's table alike."""

from __future__ import annotations


def few_seeds(fewest: int, run: str, where: str = "") -> list[str]:
    """A sentence on so few seeds that intervals hold less than they seem to; none of three or more.

    Args:
        fewest: seeds that a claim rests on. run: what has the luck of a seed, such as "pretraining run".
        where: of which claims that is true, such as " in some comparisons"; "" of all.
    """
    return {
        1: [f"One seed{where}: intervals account for the test sample alone, not for the luck of a {run}."],
        2: [
            f"Two seeds{where} are too few: one difference between them is all that is known of the luck of a {run}, "
            "and intervals are as wide as that makes them (Student's quantile is 12.7; of three seeds it is 4.3)."
        ],
    }.get(fewest, [])
