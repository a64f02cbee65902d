"""Text from outside, fit to be shown: what would steer a terminal, or the reader's eye, is written out instead.

Names of files, classes and studies may hold terminal sequences, newlines that forge a line of ours, and controls that
show characters in another order than they stand (Unicode Technical Report 36; Boucher and Anderson 2021).
"""

from __future__ import annotations

from unicodedata import category

#: Controls, format characters (bidirectional and zero-width ones among them), halves of surrogate pairs, line ends.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def visible(text: str, *, lines: bool = False) -> str:
    """Hidden characters as Python writes them, such as ``\\x1b`` and ``\\u202e``; all others as they are.

    Args:
        lines: the text has lines of its own, so newlines stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if category(character) in HIDDEN and not (lines and character == "\n")
        else character
        for character in text
    )
