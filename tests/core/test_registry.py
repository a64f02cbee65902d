from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.paths import path_of
from hpt_ray.spec.policy import Policy


@pytest.mark.parametrize("kind", registry.SINGULAR)
def test_the_names_of_a_kind_are_its_files_and_each_registers_something(kind):
    names = registry.names(kind)
    files = [
        path for path in registry.folder(kind).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    assert names == sorted(path.stem for path in files if path.stem[0] != "_")
    assert names
    for name in names:
        if kind == "writers":  # whose libraries are extras: tests/report/test_writers.py loads those that are here
            assert "def writer(watched: Watched) -> str:" in registry.file(kind, name).read_text()
        else:
            assert registry.load(kind, name) is not None


@pytest.mark.parametrize(
    "kind", ["studies", "datasets", "policies", "methods", "backbones", "probes", "backends", "writers"]
)
def test_every_file_has_a_summary_of_one_sentence(kind):
    for name in registry.names(kind):
        assert registry.summary(kind, name).strip()


def test_an_unknown_name_gives_the_nearest_and_all_that_exist():
    with pytest.raises(UnknownNameError) as caught:
        registry.load("policies", "crop_onyl")
    message = str(caught.value)
    assert "unknown policy 'crop_onyl'. Did you mean 'crop_only'?" in message
    assert all(name in message for name in registry.names("policies"))


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(UnknownNameError) as caught:
        registry.load("policies", "xyzzy")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", ["_drawing", "__init__", "../study", ""])
def test_helpers_and_other_folders_are_no_names(name):
    with pytest.raises(StudyError):
        registry.load("datasets", name)


def test_a_path_stands_for_a_name(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from hpt_ray.spec.policy import Policy\npolicy = Policy().without('blur')\n")
    assert registry.load("policies", str(file)) == Policy().without("blur")


def test_two_files_of_one_stem_answer_for_themselves(tmp_path):
    for folder, value in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"policy = {value}\n")
    assert [registry.load("policies", str(tmp_path / folder / "mine.py")) for folder in "aba"] == [1, 2, 1]


def test_a_summary_is_read_without_running_the_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text('"""What it asks.\n\nMore."""\nraise SystemExit(1)\n')
    assert registry.summary("studies", str(file)) == "What it asks."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def study(:\n", "SyntaxError"),
        ("import no_such_module_anywhere\n", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines"),
        ("x = 1\n", "defines no `study`"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_line(tmp_path, text, reason):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(StudyError) as caught:
        registry.load("studies", str(file))
    message = str(caught.value)
    assert reason in message
    assert str(file) in message
    assert "\n" not in message


def test_an_error_of_ours_in_a_file_keeps_its_own_words(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from hpt_ray.spec.policy import Policy\npolicy = Policy().without('colour_jitter')\n")
    with pytest.raises(UnknownNameError, match=r"unknown operator 'colour_jitter'\. Did you mean 'color_jitter'"):
        registry.load("policies", str(file))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "nothing.py", tmp_path):
        with pytest.raises(StudyError, match=f"no policy at {path}"):
            registry.load("policies", str(path))


def test_a_path_that_cannot_be_looked_at_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of("~/x.py") == tmp_path / "x.py"
    assert path_of("~nobody_of_this_name/x") == Path("~nobody_of_this_name/x")
    with pytest.raises(StudyError, match=r"cannot be read: File name too long\. Check the path"):
        path_of("a/" * 3_000)


def test_studies_are_found_in_an_installation_too(tmp_path, monkeypatch):
    (tmp_path / "hpt_ray" / "studies").mkdir(parents=True)
    (tmp_path / "hpt_ray" / "studies" / "installed.py").write_text("def study(): ...\n")
    monkeypatch.setattr(registry, "PACKAGE", tmp_path / "hpt_ray")
    assert registry.names("studies") == ["installed"]


def test_studies_and_policies_load_without_torch_and_ray():
    code = (
        "import sys; from hpt_ray.spec.parameters import make; make('augment_ablation');"
        "sys.exit(str([name for name in ('torch', 'ray') if name in sys.modules] or ''))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.stderr.strip() == ""


@pytest.mark.parametrize("kind", ["methods", "backbones", "probes", "metrics", "datasets"])
def test_a_file_whose_hash_would_miss_what_it_imports_has_none(tmp_path, kind):
    (tmp_path / "helper.py").write_text("twice = 2\n")
    (tmp_path / "mine.py").write_text("from helper import twice\n")
    with pytest.raises(StudyError, match="imports helper in line 1, which lies beside it"):
        registry.code_hash((kind, str(tmp_path / "mine.py")))
