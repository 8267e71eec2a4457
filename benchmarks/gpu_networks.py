"""The networks that are measured on a GPU, with seeded weights: written out here, so no other package is needed."""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class _Bottleneck(nn.Module):
    """ResNet-50's block: 1, 3, 1, and a shortcut (He et al. 2015, arXiv:1512.03385)."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        outside = 4 * width
        self.path = nn.Sequential(
            *_convolution(inside, width, 1, 1),
            *_convolution(width, width, 3, stride),
            *_convolution(width, outside, 1, 1)[:-1],
        )
        same = stride == 1 and inside == outside
        self.shortcut = nn.Identity() if same else nn.Sequential(*_convolution(inside, outside, 1, stride)[:-1])

    def forward(self, value: Any) -> Any:
        """Return the sum of both ways."""
        return torch.relu(self.path(value) + self.shortcut(value))


class _Dense(nn.Module):
    """DenseNet's layer: 1, 3, and what came in beside it (Huang et al. 2016, arXiv:1608.06993)."""

    def __init__(self, inside: int, growth: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            nn.Conv2d(inside, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, value: Any) -> Any:
        """Return what came in and what was found."""
        return torch.cat([value, self.path(value)], 1)


class _UNet3d(nn.Module):
    """A 3D U-Net of the nnU-Net kind: four levels, instance norms."""

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        steps = [_block3d(a, b, 2) for a, b in itertools.pairwise(channels)]
        self.down = nn.ModuleList([_block3d(1, channels[0], 1), *steps])
        pairs = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
        self.up = nn.ModuleList([nn.ConvTranspose3d(deep, flat, 2, 2) for deep, flat in pairs])
        self.merge = nn.ModuleList([_block3d(2 * flat, flat, 1) for _, flat in pairs])
        self.head = nn.Conv3d(channels[0], 2, 1)

    def forward(self, value: Any) -> Any:
        """Return logits."""
        kept = []
        for step in self.down:
            value = step(value)
            kept.append(value)
        kept.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            value = merge(torch.cat([up(value), kept.pop()], 1))
        return self.head(value)


def resnet50() -> Any:
    """Return a ResNet-50 of 3 channels and 1000 classes."""
    layers: list[Any] = [*_convolution(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    inside = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for place in range(blocks):
            layers.append(_Bottleneck(inside, width, stride if place == 0 else 1))
            inside = 4 * width
    return _seeded(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 1000)))


def densenet121() -> Any:
    """Return a DenseNet-121 of 3 channels and 1000 classes."""
    layers: list[Any] = [*_convolution(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for place, count in enumerate((6, 12, 24, 16)):
        for _ in range(count):
            layers.append(_Dense(width, 32))
            width += 32
        if place < 3:  # noqa: PLR2004  # after the last block there is no transition
            layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
            width //= 2
    tail = [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 1000)]
    return _seeded(nn.Sequential(*layers, *tail))


def unet3d() -> Any:
    """Return the 3D U-Net."""
    return _seeded(_UNet3d())


def meshnet() -> Any:
    """Return a MeshNet of brainchop's size: five channels, eighteen classes."""
    layers: list[Any] = []
    for inside, dilation in zip((1, *[5] * 8), (1, 2, 4, 8, 16, 8, 4, 2, 1), strict=True):
        layers += [nn.Conv3d(inside, 5, 3, padding=dilation, dilation=dilation), nn.ELU()]
    return _seeded(nn.Sequential(*layers, nn.Conv3d(5, 18, 1)))


#: Network, input, and the input of a dry run.
CASES: dict[str, tuple[Callable[[], Any], tuple[int, ...], tuple[int, ...]]] = {
    "meshnet": (meshnet, (1, 1, 256, 256, 256), (1, 1, 16, 16, 16)),
    "unet": (unet3d, (4, 1, 96, 96, 96), (1, 1, 16, 16, 16)),
    "densenet": (densenet121, (32, 3, 224, 224), (1, 3, 32, 32)),
    "resnet": (resnet50, (32, 3, 224, 224), (1, 3, 32, 32)),
}


def _seeded(module: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                deviation = (2.0 / parameter[0].numel()) ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
    return module.eval()


def _convolution(inside: int, outside: int, side: int, stride: int) -> list[Any]:
    convolution = nn.Conv2d(inside, outside, side, stride, side // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outside), nn.ReLU()]


def _block3d(inside: int, outside: int, stride: int) -> Any:
    layers: list[Any] = []
    for width, step in ((inside, stride), (outside, 1)):
        layers += [nn.Conv3d(width, outside, 3, step, 1), nn.InstanceNorm3d(outside, affine=True), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)
