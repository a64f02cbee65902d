"""Text from outside, made safe to show: characters that control a terminal or the order of the text are spelled out.

Names of files, classes and studies may contain terminal sequences, newlines that imitate a line of this program, and
controls that display characters in another order than they are written (Unicode Technical Report 36; Boucher and
Anderson 2021).
"""

from __future__ import annotations

from unicodedata import category

#: Controls, format characters (bidirectional and zero-width ones among them), unpaired surrogates, line ends.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def visible(text: str, *, lines: bool = False) -> str:
    """The text with hidden characters as Python writes them, such as ``\\x1b`` and ``\\u202e``.

    Args:
        lines: whether the text has several lines, so that newlines stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if category(character) in HIDDEN and not (lines and character == "\n")
        else character
        for character in text
    )
