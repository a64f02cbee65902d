"""Which files of a folder are its images."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.data import get_testdata_file

from hpt_ray.data.dataset import load

SCAN = str(get_testdata_file("MR_small.dcm"))


def _scans(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SCAN, root / name)
    return root


def test_a_folder_of_dicom_is_read_with_and_without_suffixes(tmp_path: Path) -> None:
    root = _scans(tmp_path, "cyst/1.dcm", "cyst/2.DCM", "none/IM0001", "none/1.2.840.10008", "DICOMDIR")
    (root / "none" / "notes.txt").touch()
    (root / "none" / "README").write_text("no image")
    data = load(str(root), 16)
    assert (data.classes, data.labels.tolist()) == (("cyst", "none"), [0, 0, 1, 1])
    assert "3 files passed over: no suffix 2, .txt 1" in data.remarks


def test_beside_other_images_dicom_is_passed_over(tmp_path: Path) -> None:
    root = _scans(tmp_path, "1.dcm", "2")
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(root / "3.png")
    data = load(str(root), 8)
    assert len(data.images) == 1
    assert "2 files passed over: no suffix 1, .dcm 1" in data.remarks


def test_beside_shards_dicom_is_passed_over(tmp_path: Path) -> None:
    root = _scans(tmp_path, "1.dcm")
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(root / "a.png")
    with tarfile.open(root / "0.tar", "w") as shard:
        shard.add(root / "a.png", "a.png")
    (root / "a.png").unlink()
    assert len(load(str(root), 8).images) == 1
