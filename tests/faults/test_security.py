"""Nothing from outside runs, and nothing from outside is shown as anything but text: files, terminal, page."""

from __future__ import annotations

import ast
import dataclasses
import io
import itertools
import json
import os
import pickle
import re
import struct
import sys
import tomllib
import unicodedata
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from packaging.requirements import Requirement

from hpt_ray.analysis.measures.run import Run
from hpt_ray.cli import console, progress, runs_output
from hpt_ray.cli import main as cli
from hpt_ray.core.errors import StudyError
from hpt_ray.core.registry import load
from hpt_ray.core.text import visible
from hpt_ray.execute.events import Event
from hpt_ray.execute.events import Progress as RunProgress
from hpt_ray.report.render import render, verdicts
from hpt_ray.spec.study import Factor, Study
from hpt_ray.store.records import Failure
from tests.support import simulate, simulate_numbers, simulate_studies
from tests.support.places import ROOT

SOURCES = sorted(path for folder in ("hpt_ray", "studies", "dashboards") for path in (ROOT / folder).rglob("*.py"))

# What the source may do


#: Modules that may run what they read, and what may be taken from them nevertheless.
UNSAFE = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
HARMLESS = {"UnpicklingError"}
#: What of yaml makes nothing but texts, numbers, lists and dictionaries.
SAFE_YAML = {"safe_load", "compose", "SafeLoader", "YAMLError", "MappingNode"}
#: Calls by their last names, and the argument without which they unpickle.
SAFE_WITH = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}


def unsafe(source: str) -> list[str]:
    """What in a file of Python could run what is in a file it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in UNSAFE]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "yaml" and node.attr not in SAFE_YAML:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {*UNSAFE, "yaml"}:
            found += [alias.name for alias in node.names if alias.name not in HARMLESS]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            if called in SAFE_WITH and given.get(SAFE_WITH[called][0]) is not SAFE_WITH[called][1]:
                found.append(called)
            if called in ("eval", "exec") or called.endswith("read_pickle"):
                found.append(called)
    return found


def test_no_source_unpickles() -> None:
    assert {str(path): found for path in SOURCES if (found := unsafe(path.read_text(encoding="utf-8")))} == {}
    assert any("torch.load(" in path.read_text(encoding="utf-8") for path in SOURCES)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "yaml.load(text, yaml.UnsafeLoader)",
        "from yaml import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "exec(text)",
    ],
)
def test_the_check_itself_can_fail(line: str) -> None:
    assert unsafe(line)


def test_every_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [project["build-system"]["requires"], project["project"]["dependencies"]]
    lists += project["project"]["optional-dependencies"].values()
    asked = [Requirement(line) for line in itertools.chain(*lists)]
    assert [str(one) for one in asked if not any(part.operator in (">=", "==", "~=") for part in one.specifier)] == []


# Checkpoints from strangers


@pytest.fixture
def main(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[object, str, str]]:
    """Call the entry point in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def main(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["hpt-study", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, *capfd.readouterr()

    return main


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


class Claim:
    """Unpickled, a tensor of ``size`` elements with ``stride`` on a storage of ``held`` elements."""

    def __init__(self, held: int, size: int, stride: int) -> None:
        self.held, self.size, self.stride = held, size, stride

    def __reduce__(self) -> tuple[Any, ...]:
        given = (Stored(self.held), 0, (self.size,), (self.stride,), False, OrderedDict())  # type: ignore[var-annotated]
        return torch._utils._rebuild_tensor_v2, given


class Stored(int):
    """A storage of so many elements."""


class Pickler(pickle.Pickler):
    legacy = False

    def persistent_id(self, item: Any) -> Any:
        own = ("storage", torch.FloatStorage, "0", "cpu", int(item)) if isinstance(item, Stored) else None
        return (*own, None) if own and self.legacy else own


def save(content: Any, path: Path, legacy: bool = False) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)


def claim(content: Any, path: Path, data: bytes = bytes(4), packing: int = zipfile.ZIP_STORED) -> None:
    """As torch.save writes it, with one storage that holds ``data``."""
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(content)
    with zipfile.ZipFile(path, "w", packing) as archive:
        parts = {"data.pkl": buffer.getvalue(), "version": b"3\n", "byteorder": b"little", "data/0": data}
        for name, part in parts.items():
            archive.writestr(f"archive/{name}", part)


def claim_legacy(content: Any, path: Path) -> None:
    buffer = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        pickle.dump(part, buffer, protocol=2)
    pickler = Pickler(buffer, protocol=2)
    pickler.legacy = True
    pickler.dump(content)
    pickle.dump(["0"], buffer, protocol=2)
    path.write_bytes(buffer.getvalue() + struct.pack("<q", 1) + bytes(4))


def truncated(path: Path, legacy: bool) -> None:
    save({"state_dict": {"conv1.weight": torch.rand(64, 64)}}, path, legacy)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def safetensors(path: Path, header: bytes, length: int | None = None) -> None:
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + bytes(4))


def laughs() -> list[Any]:
    """Ten lists of ten lists, fifty deep: small in a file, endless to walk."""
    nest: list[Any] = []
    for _ in range(50):
        nest = [nest] * 10
    return nest


W = {"conv1.weight": torch.zeros(4)}
HUGE = b'{"w":{"dtype":"F32","shape":[1000000000000000],"data_offsets":[0,4000000000000000]}}'
#: File name to what writes the file; those that hold a trap run it when they are unpickled.
TRAPS: dict[str, Callable[[Path, Trap], None]] = {
    "top.pt": lambda path, trap: save(trap, path),
    "beside.pth": lambda path, trap: save({"state_dict": W, "epoch": trap}, path),
    "state_dict.ckpt": lambda path, trap: save({"state_dict": W | {"fc.weight": trap}}, path),
    "model.pth.tar": lambda path, trap: save({"model": {"inner": [W, {"deep": (trap,)}]}}, path),
    "legacy.pt": lambda path, trap: save(trap, path, legacy=True),
    "legacy_nested.pth.tar": lambda path, trap: save({"state_dict": W | {"fc.weight": trap}}, path, legacy=True),
    "key.pt": lambda path, trap: save({"model": {(trap, 1): torch.zeros(2)}}, path),
    "plain_pickle.pth": lambda path, trap: path.write_bytes(pickle.dumps({"state_dict": trap})),
}
BOMBS: dict[str, Callable[[Path], None]] = {
    "petabytes.pt": lambda path: claim({"w": Claim(10**15, 10**15, 1)}, path),
    "petabytes_legacy.pt": lambda path: claim_legacy({"w": Claim(10**15, 10**15, 1)}, path),
    "petabytes_by_stride.pt": lambda path: claim({"w": Claim(1, 10**15, 0)}, path),
    "no_data.pt": lambda path: save({"w": torch.empty(10**15, device="meta")}, path),
    "zip_bomb.pt": lambda path: claim({"w": Claim(2**22, 2**22, 1)}, path, bytes(2**24), zipfile.ZIP_DEFLATED),
    "sparse.pt": lambda path: save({"conv1.weight": torch.eye(3).to_sparse()}, path),
    "truncated.pt": lambda path: truncated(path, legacy=False),
    "truncated_legacy.pth": lambda path: truncated(path, legacy=True),
    "laughs.pt": lambda path: save(laughs(), path),
    "petabytes.safetensors": lambda path: safetensors(path, HUGE),
    "long_header.safetensors": lambda path: safetensors(path, b"{}", 2**63),
    "no_json.safetensors": lambda path: safetensors(path, b'{"w": __import__("os")}'),
    "deep.safetensors": lambda path: safetensors(path, b"[" * 100_000),
    "overlap.safetensors": lambda path: safetensors(
        path, json.dumps({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"}).encode()
    ),
    "pipe.pth": os.mkfifo,
}


def refused(main: Callable[..., tuple[object, str, str]], name: str) -> None:
    for command in (
        ["weights", "inspect", name],
        ["run", "augment_ablation", "--runner=inline", "--set", f"base={name}"],
    ):
        code, out, err = main(*command)
        assert (code, "stages" in out) == (2, False)
        assert err.startswith("error: ") and name in err and err.count("\n") == 1 and err.endswith(".\n"), err
        assert [path.name for path in Path().iterdir()] == [name]


@pytest.mark.parametrize("name", TRAPS)
def test_a_checkpoint_that_would_run_code_is_refused_and_nothing_ran(
    main: Callable[..., tuple[object, str, str]], tmp_path: Path, name: str
) -> None:
    TRAPS[name](tmp_path / name, Trap(tmp_path / "owned"))
    refused(main, name)
    with (tmp_path / name).open("rb") as file:  # the trap is armed: unpickled, it springs
        pickle.load(file) if name.startswith("plain") else torch.load(file, weights_only=False)
    assert (tmp_path / "owned").is_dir()


@pytest.mark.parametrize("name", BOMBS)
def test_a_checkpoint_that_claims_or_lacks_data_is_refused(
    main: Callable[..., tuple[object, str, str]], tmp_path: Path, name: str
) -> None:
    BOMBS[name](tmp_path / name)
    refused(main, name)


# Names from strangers

#: HTML, a template of Plotly's, rich's markup, terminal sequences, bidirectional and zero-width controls, line ends.
HTML = (
    "</script><img src=x onerror=alert(1)>\"'&lt;b>%{x}{0}"
    "<meta http-equiv=refresh content=0;url=//evil><base href=//evil><a href=javascript:alert(1)>"
)
EVIL = HTML + "[bold red][/]:bomb:\x1b[31m\x1b]0;t\x07\x9b2J\u202egnp\u2066\u200b\ufeff\r\n\u2028\\"
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def hidden(text: str) -> set[str]:
    """The characters in a text that are not seen, but for newlines."""
    return {character for character in text if unicodedata.category(character) in HIDDEN} - {"\n"}


def test_hidden_characters_are_written_out_and_others_left() -> None:
    seen = r"[bold red][/]:bomb:\x1b[31m\x1b]0;t\x07\x9b2J\u202egnp\u2066\u200b\ufeff\r\n\u2028"
    assert visible(EVIL + "\udcff") == HTML + seen + r"\\udcff"
    assert visible("Grünfläche 森林 غابة 🌲\N{NO-BREAK SPACE}−1") == "Grünfläche 森林 غابة 🌲\N{NO-BREAK SPACE}−1"
    assert visible("one\ntwo\t", lines=True) == "one\ntwo\\t"
    assert not hidden(visible("".join(map(chr, range(0x110000)))))
    assert str(StudyError(f"no {EVIL}  here")).startswith("no </script>") and not hidden(str(StudyError(EVIL)))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What a terminal was sent, without rich's own sequences for style and cursor."""
    file = io.StringIO()
    shown = console.Plain(
        file=file, force_terminal=True, width=1000, height=60, **{"markup": False, "emoji": False, "highlight": False}
    )
    for module in (console, progress):
        monkeypatch.setattr(module, "out", shown)
    return lambda: re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", file.getvalue())


def test_the_terminal_shows_names_as_text(terminal: Callable[[], str]) -> None:
    run = simulate_studies.run(simulate_studies.sequential(targets=(EVIL, "two")), lambda cell: 0.5, examples=20)
    verdict = verdicts(run, load("dashboards", "sequential"))
    result = SimpleNamespace(verdicts=verdict, run=run, failures={EVIL: EVIL}, results=EVIL, report=EVIL)
    result.handed = [SimpleNamespace(command=EVIL)]
    result.advice = SimpleNamespace(sentences=(EVIL, EVIL), commands=(EVIL,), spent=EVIL)
    console.result(result)  # type: ignore[arg-type]
    console.listing({EVIL: {EVIL: EVIL}})
    console.study(EVIL, f"{EVIL}\n\n[text](http://evil)", [])
    runs_output.show([], EVIL)
    with progress.decoding() as said, progress.live() as observer:
        said(EVIL, 1, 2)
        observer.decoding(EVIL, 1, 2)
        state = RunProgress()
        for kind in ("started", "failed"):
            event = Event(kind=kind, unit="u", label=EVIL, reason=EVIL)
            state.update(event)
            observer.progress(event, state)
    text = terminal()
    assert not hidden(text)
    assert text.count(visible(EVIL)) >= 10
    assert f"On {visible(EVIL)}, " in text and f"decoding {visible(EVIL)}: 1 of 2 images" in text
    assert f"failed {visible(EVIL)}: {visible(EVIL)}\n" in text
    assert "http://evil" in text  # a link says where it goes


#: Attributes that name what is loaded or where a link goes.
LEADING = ("href", "src", "srcset", "xlink:href", "data", "poster", "background", "manifest")


class Page(HTMLParser):
    """The elements of a page, the data of its figures, and all else that it shows, attributes included.

    Nothing in it runs, or leads anywhere else: its own policy stops all but a refresh by ``<meta>``.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements = [""]
        self.figures: list[Any] = []
        self.shown: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.shown += [value for _, value in attrs if value]
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("srcdoc", "action", "formaction", "ping", "target")
            assert name != "http-equiv" or value == "Content-Security-Policy"
            assert name not in LEADING or (value or "").startswith(("#", "data:"))

    def handle_data(self, data: str) -> None:
        if self.elements[-1] == "script" and data.startswith('{"data"'):
            self.figures.append(json.loads(data))
        elif self.elements[-1] not in ("script", "style"):
            self.shown.append(data)


def labels(value: Any) -> Iterator[str]:
    """Every text of a figure that Plotly may show. Those of ``meta`` are for the page, which adds them as text."""
    if isinstance(value, str):
        yield value
    inside = [value[name] for name in value if name != "meta"] if isinstance(value, dict) else value
    for part in inside if isinstance(inside, list) else ():
        yield from labels(part)


TWO = (EVIL, EVIL + "2")
BUDGETS = Factor(name="iterations", field="iterations", levels={"10": 10, EVIL: 90}, baseline=EVIL)
BASES = Factor(name=EVIL, roles=("base",), levels={"6": {"iterations": 6}, EVIL: {"iterations": 9}}, baseline=EVIL)


def numbered(name: str, factor: Factor, truth: simulate_numbers.Truth) -> Run:
    """A run of a factor with names from outside."""
    given = {"name": name, "question": EVIL, "factors": (factor,)}
    spec = simulate_numbers.study(simulate_numbers.BUDGETS, targets=TWO).model_copy(update=given)
    return simulate_numbers.run(spec, {**dict.fromkeys(simulate_numbers.ARMS, 0.6), "base": truth}, examples=40)


def of_study(study: Callable[..., Study]) -> Run:
    return simulate_studies.run(study(targets=TWO, question=EVIL), lambda cell: 0.5, examples=40)


@pytest.mark.parametrize(
    "made",
    [
        lambda: simulate.run(target=EVIL, class_name=EVIL + "\udcff", seeds=1),
        lambda: of_study(simulate_studies.sequential),
        lambda: of_study(simulate_studies.low_label),
        lambda: of_study(simulate_studies.methods),
        lambda: numbered("iteration_budget", BUDGETS, 0.6),
        lambda: numbered("base_robustness", BASES, (0.5, 0.6)),
    ],
    ids=["augment_ablation", "sequential", "low_label", "methods", "iteration_budget", "base_robustness"],
)
def test_the_page_shows_names_as_text(made: Callable[[], Run]) -> None:
    run = made()
    failure = Failure(stage=EVIL, reason=EVIL, cells=(EVIL,))
    evil = {"failures": (failure,), "notes": (EVIL,), "hardware": {EVIL: EVIL}, "command": EVIL}
    run = dataclasses.replace(run, manifest=run.manifest.model_copy(update=evil))
    dashboard = load("dashboards", run.study.name)
    source = render(run, dashboard, verdicts(run, dashboard))
    page = Page(source)
    assert source.encode().startswith(b"<!doctype html>")
    assert set(page.elements).isdisjoint({"iframe", "frame", "object", "embed", "base", "form"})
    assert (page.elements.count("meta"), page.elements.count("link")) == (5, 1)  # the template's own
    assert not hidden("".join(page.shown))
    assert sum(visible(EVIL).replace("\\n", "\n") in text for text in page.shown) >= 8
    assert page.figures
    assert "new Option(choice.label)" in source  # a menu's texts are no HTML
    for text in itertools.chain.from_iterable(labels(figure) for figure in page.figures):
        own = re.sub(r"<br>|<extra></extra>", "", text)
        assert not hidden(own) and "<" not in own and "%{x}{0}" not in own
