"""A small ResNet for 32 px: three basic blocks of 32, 64 and 128 channels, 128 features.

The block is torchvision's (He et al. 2015, arXiv 1512.03385), written out because torchvision takes every worker two
seconds to import; the stem is one 3 x 3 convolution of stride 2 without pooling, because a 32 px image has no room for
the usual 7 x 7 stem's factor of 4.
"""

from __future__ import annotations

from torch import Tensor, nn

from hpt_ray.training.backbone import Backbone


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: [n, inside, S, S] -> [n, outside, S / stride, S / stride]."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample = nn.Sequential()
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.relu(self.bn1(self.conv1(x)))
        outer: Tensor = self.relu(self.bn2(self.conv2(inner)) + self.downsample(x))
        return outer


def _stage(inside: int, outside: int, stride: int) -> nn.Sequential:
    """One basic block, under the names that torchvision gives a stage of blocks."""
    return nn.Sequential(BasicBlock(inside, outside, stride))


def backbone() -> Backbone:
    """[n, 3, 32, 32] -> [n, 128], about 0.3 million parameters; any side from 8 px works."""
    net = Backbone(
        {
            "conv1": nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
            "bn1": nn.BatchNorm2d(32),
            "relu": nn.ReLU(inplace=True),
            "layer1": _stage(32, 32, 1),
            "layer2": _stage(32, 64, 2),
            "layer3": _stage(64, 128, 2),
            "avgpool": nn.AdaptiveAvgPool2d((1, 1)),
        },
        dim=128,
    )
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):  # as torchvision initialises its ResNets
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return net
