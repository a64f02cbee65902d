"""Backbones compiled by ``torch.compile``, on request: they pass over memory less often, once they are compiled.

Compiled code adds in another order, so it is part of a stage's identity.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys

from torch import nn

from hpt_ray.core.errors import StudyError
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.device import default_device


def check() -> None:
    """Raise StudyError where torch finds nothing to compile with: Triton for GPUs, a C++ compiler for CPUs."""
    if default_device().type == "cuda":
        needed, there = "Triton", importlib.util.find_spec("triton") is not None
    else:
        needed = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
        there = shutil.which(needed) is not None
    if not there:
        raise StudyError(f"compile=true needs {needed}, which is not installed: install it, or leave compile out.")


def compile_backbones(network: nn.Module) -> None:
    """Have each backbone in a network compiled where it is first called; a copy of one is not compiled."""
    import torch._dynamo  # takes seconds, which every process would pay

    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # CUDA's compiler without a GPU is no news
    # What a process compiled for an earlier stage would decide what it compiles for this one, and so the last bits.
    torch._dynamo.reset()
    # By default torch gives up in silence after eight variants: batch norm's momentum has one for each of a worker's
    # groups.
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 10_000
    for module in network.modules():
        if isinstance(module, Backbone):
            module.compile()
