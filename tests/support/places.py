"""Where things stand, wherever a test is moved."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
#: Data sets that are not in the repository: tests that need one skip where it is missing.
SHARED_DATA = ROOT.parent / "shared" / "data"
