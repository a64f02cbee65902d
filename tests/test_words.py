"""Comments and docstrings are in plain modern English: phrases to avoid, and what to write instead."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.support.places import ROOT

#: What not to write -> what to write instead.
PLAIN = {
    r"parted by": "separated by",
    r"anew": "again, or re-: recomputed",
    r"in one go": "at once, or together",
    r"gives? back where": "returns the previous ...",
    r"desks?": "broker",
    r"conclud(e[sd]?|ing)": "finalize",
    r"says? of (itself|themselves)": "records",
    r"stranger('s|s)?": "untrusted, or from someone else",
    r"nobody (reads|needs|waits)": "not used",
    r"falls? free": "becomes free",
    r"in good order": "cleanly",
    r"goes? home": "ends",
    r"at work": "running",
    r"as it were": "leave it out",
    r"whereof|thereof|therein|hereby|in its stead": "of which, of it, in it, by this, instead",
    r"answers? to (a|the|no|that) name": "has this name",
}


def prose(text: str) -> Iterator[str]:
    """The comments and docstrings of a source file, each with its lines joined."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def found_in(text: str) -> list[str]:
    """What a source file should say in other words, each with its advice."""
    return [
        f"{match[0]!r}: write {advice}"
        for words in prose(text)
        for pattern, advice in PLAIN.items()
        for match in re.finditer(rf"\b({pattern})\b", " ".join(words.split()), re.IGNORECASE)
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "hpt_ray").rglob("*.py")), ids=lambda path: path.stem)
def test_comments_and_docstrings_are_plain(path) -> None:
    assert found_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text", ["# Parted by commas.", '"""A key that is made\n\nanew."""', "def f():\n    'At work.'"]
)
def test_words_that_are_not_plain_are_found(text: str) -> None:
    assert len(found_in(text)) == 1
