from __future__ import annotations

import json

import pytest

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError
from hpt_ray.spec.parameters import make
from hpt_ray.spec.settings_file import read

SETTINGS = {"seeds": 2, "hue": 0.3, "policies": ["baseline", "crop_only"], "compile": True, "arms": "base,base>target"}
TEXTS = {
    "s.toml": 'seeds = 2\nhue = 0.3\npolicies = ["baseline", "crop_only"]\ncompile = true\narms = "base,base>target"\n',
    "s.yaml": "seeds: 2\nhue: 0.3\npolicies: [baseline, crop_only]\ncompile: true\narms: base,base>target\n",
    "s.YML": "seeds: 2\nhue: 0.3\npolicies:\n- baseline\n- crop_only\ncompile: true\narms: base,base>target\n",
    "s.json": json.dumps(SETTINGS),
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_format_says_the_same(tmp_path, name) -> None:
    file = tmp_path / name
    for encoding in ("utf-8", "utf-8-sig"):
        file.write_text(TEXTS[name], encoding=encoding)
        assert read(str(file), "augment_ablation") == SETTINGS
    assert make("augment_ablation", SETTINGS).seeds == (0, 1)


@pytest.mark.parametrize("study", registry.names("studies"))
@pytest.mark.parametrize(
    "given", [{}, {"scale": "paper", "channels": "4,3,2", "base_seeds": "1", "options": "sgd.lr=3"}]
)
def test_a_run_gives_its_settings_back(tmp_path, study, given) -> None:
    if study == "landscape":
        given = {name: value for name, value in given.items() if name != "options"}
    made = make(study, given)
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"plan_id": "0123", "study": made.model_dump(mode="json")}))
    again = make(study, read(str(file), study))
    assert again == made and again.model_dump_json() == made.model_dump_json()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.ini", b"seeds=2", "name the file like that"),
        ("s.toml", b"seeds = ", "is no TOML"),
        ("s.yaml", b"seeds: [1", "is no YAML"),
        ("s.yaml", b"!!python/object/apply:os.system ['true']", "is no YAML"),
        ("s.json", b"{", "is no JSON"),
        ("s.json", b"[" * 100_000, "is no JSON"),
        ("s.toml", b"\xff", "save it as UTF-8"),
        ("s.yaml", "seeds: 2".encode("utf-16"), "save it as UTF-8"),
        ("s.toml", b"seeds = 2\nseeds = 3", "is no TOML"),
        ("s.yaml", b"seeds: 2\nhue: 0.1\nseeds: 3", "seeds is there twice"),
        ("s.yaml", b"seeds: !!set {a, b}", "seeds has names of its own"),
        ("s.json", b'{"seeds": 2, "seeds": 3}', "seeds is there twice"),
        ("s.json", b"[1]", "a value for each name"),
        ("s.yaml", b"3: 4", "a value for each name"),
        ("s.toml", b"[seeds]\nnumber = 2", "seeds has names of its own"),
        ("s.json", b'{"plan_id": "1", "study": 3}', "no study function"),
        ("s.json", b'{"plan_id": "1", "study": {"made_from": "methods", "parameters": {}}}', "is of study methods"),
        ("s.json", b'{"plan_id": "1", "study": {"made_from": "s", "parameters": [1]}}', "a value for each name"),
    ],
)
def test_what_is_no_file_of_settings_is_one_line(tmp_path, name, content, message) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(StudyError, match=message):
        read(str(file), "s")
    with pytest.raises(StudyError, match="cannot be read"):
        read(str(tmp_path / "nowhere.toml"), "s")
    with pytest.raises(StudyError, match="cannot be read"):
        read(str(tmp_path), "s")
    with pytest.raises(StudyError, match="is empty: name a file"):
        read("", "s")


@pytest.mark.parametrize("name", ["s.toml", "s.yaml"])
def test_a_file_of_comments_alone_sets_nothing(tmp_path, name) -> None:
    (tmp_path / name).write_text("# nothing yet\n")
    assert read(str(tmp_path / name), "augment_ablation") == {}
