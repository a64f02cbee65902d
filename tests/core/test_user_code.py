"""Python files of the user's own: which line of them an error comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpt_ray.core import user_code
from hpt_ray.core.errors import StudyError


def test_an_error_is_traced_to_the_last_line_of_the_file_that_it_passed(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import json\n\ndef inner():\n    json.loads('no')\n\ndef outer():\n    inner()\n")
    module = user_code.import_file(path)
    with pytest.raises(json.JSONDecodeError) as caught:
        module.outer()
    assert user_code.place(caught.value) == "mine.py, line 4"
    assert user_code.reason(caught.value).endswith("(mine.py, line 4)")


def test_an_error_of_ours_passed_no_line_of_the_user() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    assert user_code.place(caught.value) is None
    assert user_code.reason(caught.value) == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("text", "line"),
    [("x = 1\n\nimport no_such_module_here\n", 3), ("x = 1\ndef study(:\n", 2), ("\n\n\nraise SystemExit(1)\n", 4)],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(StudyError, match=rf"{path} cannot be imported: .*\(mine.py, line {line}\). Mend the file."):
        user_code.import_file(path)


def test_a_value_that_is_out_of_range_is_said_in_few_words(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from hpt_ray.spec.policy import Policy\npolicy = Policy.model_validate({'flip': {'p': 2}})\n")
    with pytest.raises(StudyError) as caught:
        user_code.import_file(path)
    says = "Policy: flip.p: Input should be less than or equal to 1 (mine.py, line 2)"
    assert str(caught.value) == f"{path} cannot be imported: {says}. Mend the file."


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x = 1\n")
    with pytest.raises(StudyError, match=r"mine\.txt is no Python file"):
        user_code.import_file(tmp_path / "mine.txt")


@pytest.mark.parametrize(
    ("line", "imported"),
    [
        ("from helper import twice", "helper"),
        ("import json, helper.inner as inner", "helper.inner"),
        ("from . import helper", ".helper"),
        ("def probe(subject):\n    from .helper import twice", ".helper"),
        ("from own_package import twice", "own_package"),
    ],
)
def test_a_file_that_imports_one_beside_it_is_refused(tmp_path: Path, line: str, imported: str) -> None:
    (tmp_path / "helper.py").write_text("twice = 2\n")
    (tmp_path / "own_package").mkdir()
    path = tmp_path / "mine.py"
    path.write_text(f"import json\n{line}\n")
    with pytest.raises(
        StudyError, match=rf"{path} imports {imported} in line \d, which lies beside it: .*into mine.py"
    ):
        user_code.check_alone(path)


def test_a_file_that_imports_what_is_installed_is_not_refused(tmp_path: Path) -> None:
    for name in ("numpy", "json", "hpt_ray", "helper"):  # folders beside the file, say of data
        (tmp_path / name).mkdir()
    path = tmp_path / "mine.py"
    path.write_text("import json\nimport numpy as np\nfrom hpt_ray.spec.policy import Policy\n")
    user_code.check_alone(path)


def test_a_module_beside_a_file_is_seen_where_it_can_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lab_helper.py").write_text("twice = 2\n")
    path = tmp_path / "mine.py"
    path.write_text("import lab_helper\n")
    with pytest.raises(StudyError, match="imports lab_helper in line 1"):
        user_code.check_alone(path)
