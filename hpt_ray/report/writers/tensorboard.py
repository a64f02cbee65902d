"""TensorBoard: a folder ./tensorboard/RUN with every curve, the metrics and the verdict, and the report beside them."""

from __future__ import annotations

import os
from pathlib import Path

from hpt_ray.core.errors import StudyError
from hpt_ray.report.watched import Watched, file_name

try:
    from tensorboardX import SummaryWriter
except ImportError as error:
    raise StudyError("--watch tensorboard needs tensorboardX: pip install 'hpt_ray[tensorboard]'.") from error

#: Set to another folder than ./tensorboard.
VARIABLE = "TENSORBOARD_LOGDIR"


def writer(watched: Watched) -> str:
    folder = Path(os.environ.get(VARIABLE, "tensorboard")) / file_name(watched.name)
    for earlier in folder.rglob("events.out.tfevents.*"):  # TensorBoard would show both
        earlier.unlink()
    for curve in watched.curves:  # each in a folder of its own: TensorBoard draws them in one chart
        with SummaryWriter(str(folder / file_name(curve.name)), write_to_disk=True) as board:
            for measure, points in curve.measures.items():
                for iteration, value in points:
                    board.add_scalar(f"training/{measure}", value, iteration)
    with SummaryWriter(str(folder)) as board:
        for name, value in watched.metrics.items():
            board.add_scalar(f"test/{file_name(name)}", value, 0)
        board.add_text("verdict", watched.verdict)
        board.add_text("settings", "\n\n".join(f"{name}: {text}" for name, text in watched.settings.items()))
    (folder / "report.html").write_bytes(watched.report)
    return f"tensorboard --logdir {folder.parent}"
