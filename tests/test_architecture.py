"""The house rules, as tests: imports point down, Ray and torch stay in their rooms, the README tells the truth."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt_ray.core.registry import PARENT
from tests.support.places import ROOT

PACKAGE = ROOT / "hpt_ray"

#: The longest matching prefix decides.
FLOORS = {
    "hpt_ray": 9,
    "hpt_ray.core": 1,
    "hpt_ray.spec": 2,
    "hpt_ray.data": 3,
    "hpt_ray.store": 3,
    "hpt_ray.planning": 4,
    "hpt_ray.training": 5,
    "hpt_ray.analysis": 5,
    "hpt_ray.report": 6,
    "hpt_ray.execute": 7,
    "hpt_ray.cli": 8,
}
ROOMS = {"ray": ("hpt_ray.execute.backends.ray",), "torch": ("hpt_ray.training", "hpt_ray.data")}
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = ROOT / "tests"
#: Folders of tests of the whole house; all others mirror the package.
WHOLE_HOUSE = ("faults", "benchmarks")


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


def upward_from(own: str, found: str) -> bool:
    """Whether an import leaves its package for one that is not on a lower floor."""
    package = own.split(".")[:2]
    return package != found.split(".")[:2] and floor(found) >= floor(own)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down_the_floors(path: Path) -> None:
    own = name_of(path)
    upward = [
        found
        for found, typing_only in imports(path)
        if found.startswith("hpt_ray.") and not typing_only and upward_from(own, found)
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


def test_one_file_names_private_modules_of_ray() -> None:
    private = PACKAGE / "execute" / "backends" / "ray" / "private.py"
    naming = re.compile(r"\bray\b.*\b_(private|internal)\b")
    files = [path for path in [*MODULES, *TESTS.rglob("*.py")] if path != Path(__file__)]
    assert [path for path in files if naming.search(path.read_text(encoding="utf-8"))] == [private]


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports when it runs."""
    return {found for found, typing_only in imports(path) if found.startswith("hpt_ray.") and not typing_only}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of a graph, its first node again at its end; empty where there is none."""
    done: set[str] = set()

    def visit(node: str, above: tuple[str, ...]) -> list[str]:
        if node in above:
            return [*above[above.index(node) :], node]
        if node not in done:
            for below in sorted(graph.get(node, ())):
                if around := visit(below, (*above, node)):
                    return around
            done.add(node)
        return []

    return next(filter(None, (visit(node, ()) for node in graph)), [])


def test_modules_import_in_no_circle() -> None:
    assert circle({name_of(path): imported(path) for path in MODULES}) == []


def test_rooms_import_in_no_circle() -> None:
    """A room is a folder: of two, at most one imports from the other, be it through a third."""
    rooms = {name_of(path): name_of(path.parent / "__init__.py") for path in MODULES}
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        room = rooms[name_of(path)]
        graph.setdefault(room, set()).update({rooms[found] for found in imported(path)} - {room})
    assert circle(graph) == []


def main_room(path: Path) -> Path:
    """The folder of a file; a folder of files that are found by their names counts as a part of the one above it."""
    return path.parents[1] if path.parent.name in PARENT else path.parent


def test_rooms_and_the_imports_between_them_are_few() -> None:
    """The design has 17 rooms. An arrow is a pair of rooms of which the first imports from the second."""
    rooms = {name_of(path): main_room(path) for path in MODULES}
    pairs = {(rooms[name_of(path)], rooms[found]) for path in MODULES for found in imported(path)}
    arrows = {(one, other) for one, other in pairs if one != other}
    assert len(set(rooms.values())) <= 20
    assert len(arrows) <= 55, f"import from fewer rooms; there are {len(arrows)} pairs"


def test_source_files_hold_one_idea() -> None:
    long = {name_of(path): lines for path in MODULES if (lines := len(path.read_text().splitlines())) > 260}
    assert not long, f"split these: {long}"


def in_the_folder_of_what_it_tests(path: Path) -> bool:
    """Whether a test imports a file of the package that its folder mirrors, is named after one or loads one by name."""
    folder = path.parent.relative_to(TESTS)
    files = {file.stem for file in (PACKAGE / folder).glob("*.py")}
    package = ".".join((PACKAGE.name, *folder.parts))
    imported = {module for module, _ in imports(path)} & {package, *(f"{package}.{file}" for file in files)}
    named = path.stem.removeprefix("test_") in {file.lstrip("_") for file in files}
    constants = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    return bool(imported) or named or (bool(files) and folder.name in constants)


def test_the_tests_mirror_the_package() -> None:
    inner = [path for path in TESTS.rglob("test_*.py") if path.parent != TESTS]
    strays = [
        str(path.relative_to(ROOT))
        for path in sorted(inner)
        if path.relative_to(TESTS).parts[0] not in WHOLE_HOUSE and not in_the_folder_of_what_it_tests(path)
    ]
    assert not strays, f"these stand in no folder of what they test: {strays}"


def test_help_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom hpt_ray.cli.main import app\n"
        "result = CliRunner().invoke(app, ['--help'])\nassert result.exit_code == 0, result.output\n"
        "print([name for name in ('torch', 'ray', 'plotly', 'pandas', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_room_is_on_the_map() -> None:
    """A room is a folder of files that are not found by their names."""
    table = (PACKAGE / "README.md").read_text(encoding="utf-8")
    rooms = {path.parent for path in MODULES} - {PACKAGE}
    missing = [
        str(room.relative_to(PACKAGE))
        for room in sorted(rooms)
        if f"`{room.relative_to(PACKAGE)}/`" not in table and f"`{room.name}/`" not in table
    ]
    assert not missing, f"hpt_ray/README.md does not name {missing}"


def test_top_level_holds_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    folders = {Path(line).parts[0] for line in tracked.stdout.splitlines() if len(Path(line).parts) > 1}
    assert {folder for folder in folders if not folder.startswith(".")} <= {"hpt_ray", "studies", "dashboards", "tests"}
