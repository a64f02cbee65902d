"""The block of the small ResNet is torchvision's: same names, same numbers, forward and backward."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock as Reference
from torchvision.models.resnet import conv1x1

from hpt_ray.training.backbones.resnet_small import BasicBlock


@pytest.mark.parametrize(("inside", "outside", "stride"), [(8, 8, 1), (8, 16, 2), (8, 16, 1)])
def test_the_block_is_torchvisions(inside: int, outside: int, stride: int) -> None:
    torch.manual_seed(0)
    shortcut = None
    if stride != 1 or inside != outside:
        shortcut = nn.Sequential(conv1x1(inside, outside, stride), nn.BatchNorm2d(outside))
    reference, ours = Reference(inside, outside, stride, shortcut), BasicBlock(inside, outside, stride)
    ours.load_state_dict(reference.state_dict())
    x = torch.randn(4, inside, 8, 8)
    answers = [block(x.clone()) for block in (reference, ours)]
    assert torch.equal(*answers)
    for answer in answers:
        answer.square().sum().backward()
    for a, b in zip(reference.parameters(), ours.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_the_default_needs_neither_torchvision_nor_the_compiler() -> None:
    code = (
        "import sys\nfrom hpt_ray.training.backbone import build, outline\n"
        "from hpt_ray.training.loop.optimiser import SGD, Group\n"
        "outline('resnet_small')\nSGD([Group(list(build('resnet_small', 0).parameters()))], momentum=0.9)\n"
        "print([name for name in ('torchvision', 'torch._dynamo') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
