from __future__ import annotations

import pytest

from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.store import labels
from hpt_ray.store.labels import LABEL, Label, checked, label, latest, meant
from hpt_ray.store.store import MANIFEST, Store


@pytest.fixture
def store(tmp_path) -> Store:
    """A store of three runs of two studies, of which only the folders are there."""
    made = Store(tmp_path)
    for run in ("methods-01", "methods-02", "low_label-03", "mine-04"):
        made.write(f"runs/{run}/{MANIFEST}", b"{}")
    return made


def test_a_run_is_meant_by_its_id_its_name_or_its_study(store: Store) -> None:
    labels.write(store, "methods-01", Label(name="first try"))
    assert meant(store, "methods-01") == meant(store, "first try") == {"methods-01"}
    assert meant(store, "methods") == {"methods-01", "methods-02"}
    assert latest(store, "first try") == "methods-01" and latest(store, "low_label") == "low_label-03"
    with pytest.raises(UnknownNameError, match="unknown run ''"):
        latest(store, "")
    with pytest.raises(UnknownNameError, match="Did you mean 'first try'"):
        latest(store, "first tri")


def test_a_name_and_a_note_change_apart(store: Store) -> None:
    labels.write(store, "methods-01", checked(store, "methods-01", "one", None))
    labels.write(store, "methods-01", checked(store, "methods-01", None, "with a larger batch: é <b>"))
    assert label(store, "methods-01") == Label(name="one", note="with a larger batch: é <b>")
    labels.write(store, "methods-01", checked(store, "methods-01", "", None))
    assert label(store, "methods-01") == Label(note="with a larger batch: é <b>")


@pytest.mark.parametrize("name", ["-o", "a/b", "two\nlines", " ", ".hidden", "x" * 101, "🎉", "<b>x</b>"])
def test_what_cannot_be_a_name_is_one_line(store: Store, name: str) -> None:
    with pytest.raises(StudyError, match="is no name for a run"):
        checked(store, "methods-01", name, None)


@pytest.mark.parametrize("name", ["methods-02", "mine", "taken"])
def test_a_name_that_means_another_run_is_refused(store: Store, name: str) -> None:
    labels.write(store, "methods-02", Label(name="taken"))
    with pytest.raises(StudyError, match="already means run"):
        checked(store, "methods-01", name, None)
    assert checked(store, "methods-01", "methods-01", None).name == "", "its id is no name beside it"


@pytest.mark.parametrize(("run", "name"), [("methods-01", "methods"), ("mine-04", "mine"), ("mine-04", "landscape")])
def test_a_study_means_its_latest_run_whatever_runs_are_called(store: Store, run: str, name: str) -> None:
    with pytest.raises(StudyError, match="is a study"):
        checked(store, run, name, None)


def test_a_name_has_letters_of_any_alphabet_typed_in_either_way(store: Store) -> None:
    labels.write(store, "methods-01", checked(store, "methods-01", "Gro\u0308ße", None))
    labels.write(store, "methods-02", checked(store, "methods-02", "第二次", None))
    assert meant(store, "Größe") == meant(store, "Gro\u0308ße") == {"methods-01"}
    assert label(store, "methods-02").name == "第二次"


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b'{"name": 3}', b'{"name": "../x"}'])
def test_a_damaged_label_is_an_empty_one(store: Store, damage: bytes) -> None:
    store.write(f"runs/methods-01/{LABEL}", damage)
    assert label(store, "methods-01") == Label()
