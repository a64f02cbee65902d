"""The house rules, as tests: imports point down, Ray and torch stay in their rooms, the README tells the truth."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hpt_ray"

#: The longest matching prefix decides.
FLOORS = {
    "hpt_ray": 5,
    "hpt_ray.errors": 1,
    "hpt_ray.visible": 1,
    "hpt_ray.streams": 1,
    "hpt_ray.identity": 1,
    "hpt_ray.registry": 1,
    "hpt_ray.weights_source": 1,
    "hpt_ray.policy": 1,
    "hpt_ray.policy_space": 1,
    "hpt_ray.policies": 1,
    "hpt_ray.study": 1,
    "hpt_ray.scale": 1,
    "hpt_ray.parameters": 1,
    "hpt_ray.analysis": 1,
    "hpt_ray.plan": 2,
    "hpt_ray.search": 2,
    "hpt_ray.stage": 2,
    "hpt_ray.files": 2,
    "hpt_ray.store": 2,
    "hpt_ray.verify": 2,
    "hpt_ray.results": 2,
    "hpt_ray.records": 2,
    "hpt_ray.decode": 2,
    "hpt_ray.decoding": 2,
    "hpt_ray.ranges": 2,
    "hpt_ray.brightness": 2,
    "hpt_ray.splits": 2,
    "hpt_ray.cache": 2,
    "hpt_ray.dataset": 2,
    "hpt_ray.facts": 2,
    "hpt_ray.duplicates": 2,
    "hpt_ray.leakage": 2,
    "hpt_ray.conflicts": 2,
    "hpt_ray.classes": 2,
    "hpt_ray.evaluable": 2,
    "hpt_ray.inventory": 2,
    "hpt_ray.datasets": 2,
    "hpt_ray.figure": 2,
    "hpt_ray.figures": 2,
    "hpt_ray.training": 3,
    "hpt_ray.dashboard": 3,
    "hpt_ray.report": 3,
    "hpt_ray.execute": 4,
    "hpt_ray.cli": 5,
    "hpt_ray.console": 5,
    "hpt_ray.progress": 5,
}
ROOMS = {"ray": ("hpt_ray.execute",), "torch": ("hpt_ray.training", "hpt_ray.datasets")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor(module: str) -> int:
    return max(((len(prefix), number) for prefix, number in FLOORS.items() if (module + ".").startswith(prefix + ".")))[
        1
    ]


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every import of a file, and whether it is only for type checking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in typing_only
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = PACKAGE.parent / Path(*node.module.split("."), alias.name + ".py")
                yield (f"{node.module}.{alias.name}" if inner.exists() else node.module), id(node) in typing_only


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down_the_floors(path: Path) -> None:
    own = name_of(path)
    upward = [
        found
        for found, typing_only in imports(path)
        if found.startswith("hpt_ray") and not typing_only and floor(found) > floor(own) and own != "hpt_ray"
    ]
    assert not upward, f"{own} (floor {floor(own)}) imports {upward} from above"


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_stays_in_its_rooms(library: str) -> None:
    strays = [
        name_of(path)
        for path in MODULES
        if not name_of(path).startswith(ROOMS[library])
        for found, _ in imports(path)
        if found.split(".")[0] == library
    ]
    assert not strays, f"{library} is imported outside {ROOMS[library]}: {strays}"


def test_no_circles() -> None:
    graph = {
        name_of(path): {
            found for found, typing_only in imports(path) if found.startswith("hpt_ray.") and not typing_only
        }
        for path in MODULES
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"circle: {' -> '.join([*above[above.index(module) :], module])}"
        if module in done:
            return
        for below in graph.get(module, ()):
            visit(below, (*above, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_source_files_hold_one_idea() -> None:
    long = {name_of(path): lines for path in MODULES if (lines := len(path.read_text().splitlines())) > 260}
    assert not long, f"split these: {long}"


def test_help_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom hpt_ray.cli import app\n"
        "result = CliRunner().invoke(app, ['--help'])\nassert result.exit_code == 0, result.output\n"
        "print([name for name in ('torch', 'ray', 'plotly', 'pandas', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_file_of_the_package_is_in_the_readme() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("### Where things are")[1]
    folders = {"policies", "datasets", "figures", "verdicts", "methods", "backbones", "probes"}
    missing = [
        name_of(path)
        for path in MODULES
        if path.stem != "__init__" and path.parent.name not in folders and not re.search(rf"\b{path.stem}\b", tree)
    ]
    assert not missing, f"the README's tree does not name {missing}"


def test_top_level_holds_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    folders = {Path(line).parts[0] for line in tracked.stdout.splitlines() if len(Path(line).parts) > 1}
    assert {folder for folder in folders if not folder.startswith(".")} <= {"hpt_ray", "studies", "dashboards", "tests"}
