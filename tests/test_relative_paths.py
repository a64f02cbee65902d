"""Every kind of path, relative, through the command line and Ray, whose workers start in a folder of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hpt_ray.training.backbone import build
from hpt_ray.training.weights.checkpoints import to_bytes

#: A method of the user's, with the names of modules that Ray and scikit-learn import beside it.
METHOD = "from hpt_ray.training.methods.moco_v2 import method as moco\n\n\nclass method(moco):\n    pass\n"
BACKBONE = "from hpt_ray.training.backbones.resnet_small import backbone\n"
STUDY = """
from hpt_ray.spec.study import Evaluation, Pretraining, Study, Weights


def study(*, target: str = "./my_images", base: str = "./moco.safetensors") -> Study:
    return Study(
        name="mine",
        question="Do relative paths work?",
        arms=("base", "base>target"),
        targets=(target, "paper:ucmerced"),
        backbone="./network.py",
        image_size=16,
        decode_size=16,
        recipes={
            "base": Weights(source=base),
            "target": Pretraining(
                iterations=2, batch=16, group=8, method="./method.py",
                options={"queue": 32, "dim": 8}
            ),
        },
        seeds=(0,),
        evaluations=(Evaluation(probe="knn"),),
    )
"""


def images(folder: Path, classes: int) -> None:
    generator = np.random.default_rng(0)
    for number in range(classes):
        (folder / f"class{number}").mkdir(parents=True)
        for each in range(20):
            pixels = generator.integers(8 * number, 8 * number + 60, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"class{number}" / f"{each}.png")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("runner", ["ray", "inline"])
def test_relative_paths_mean_the_same_on_every_runner(tmp_path: Path, runner: str) -> None:
    images(tmp_path / "my_images", classes=2)
    images(tmp_path / "data" / "ucmerced" / "Images", classes=21)
    for name, text in {"method.py": METHOD, "network.py": BACKBONE, "mine.py": STUDY}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "moco.safetensors").write_bytes(to_bytes(build("resnet_small", 0, 16)))
    for shadow in ("queue.py", "sklearn.py", "random.py"):
        (tmp_path / shadow).write_text("raise RuntimeError('a file of the user, which nobody is to import')\n")
    command = [str(Path(sys.executable).with_name("hpt-study")), "run", "./mine.py", "--runner", runner]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (table,) = (tmp_path / "hpt-store" / "runs").glob("mine-*/results.parquet")
    found = pd.read_parquet(table)
    assert set(found["status"]) == {"done"}
    assert set(found["target"]) == {"./my_images", "paper:ucmerced"}  # as they were given
