"""Where things stand, wherever a test is moved."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
#: Data sets that are not in the repository: tests that need one skip where it is missing.
SHARED_DATA = ROOT.parent / "shared" / "data"


def install_plugin(site: Path, package: str, files: dict[str, str]) -> None:
    """Leave a package with files in ``site``, and the metadata that an installer would leave of it."""
    for name, text in {"__init__.py": "", **files}.items():
        path = site / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    metadata = site / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[hpt_ray.plugins]\n{package} = {package}\n")
