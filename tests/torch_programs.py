"""Networks in PyTorch for the tests of what is made of them; torch is imported when one is asked for."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np


def write_threshold_program(file: Path) -> None:
    """Write the shipped test model as an exported program: label 1 wherever `input` is above 0.5."""
    import torch  # noqa: PLC0415  # not everybody who runs tests has it

    from models.torch_export import write_pt2  # noqa: PLC0415

    class Threshold(torch.nn.Module):
        """Labels what is bright."""

        def forward(self, value: Any) -> Any:
            """Return labels."""
            return (value > 0.5).to(torch.uint8).squeeze(1)

    sides = {axis: torch.export.Dim(name, min=2, max=512) for axis, name in ((2, "d"), (3, "h"), (4, "w"))}
    write_pt2(Threshold(), np.zeros((1, 1, 6, 7, 8), np.float32), file, dynamic=sides)


def small_unet(channels: tuple[int, ...] = (8, 16), classes: int = 3) -> Any:
    """Return a 3D U-Net of the nnU-Net kind with seeded weights."""
    import torch  # noqa: PLC0415

    torch.manual_seed(0)

    def block(inside: int, outside: int, stride: int = 1) -> Any:
        layers: list[Any] = []
        for width, step in ((inside, stride), (outside, 1)):
            layers += [
                torch.nn.Conv3d(width, outside, 3, step, 1),
                torch.nn.InstanceNorm3d(outside, affine=True),
                torch.nn.LeakyReLU(0.01),
            ]
        return torch.nn.Sequential(*layers)

    class UNet(torch.nn.Module):
        """Down, up, and skips between."""

        def __init__(self) -> None:
            super().__init__()
            steps = [block(a, b, 2) for a, b in itertools.pairwise(channels)]
            self.down = torch.nn.ModuleList([block(1, channels[0]), *steps])
            pairs = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
            self.up = torch.nn.ModuleList([torch.nn.ConvTranspose3d(deep, flat, 2, 2) for deep, flat in pairs])
            self.merge = torch.nn.ModuleList([block(2 * flat, flat) for _, flat in pairs])
            self.head = torch.nn.Conv3d(channels[0], classes, 1)

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

    return UNet().eval()


def small_classifier() -> Any:
    """Return a convolutional classifier of images with seeded weights: two channels in the middle, five classes."""
    import torch  # noqa: PLC0415

    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, 2, 1),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, 2, 1),
        torch.nn.BatchNorm2d(32),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 5),
    ).eval()


def small_meshnet() -> Any:
    """Return a MeshNet with seeded weights: dilated convolutions that keep the size, ELU between, three classes."""
    import torch  # noqa: PLC0415

    torch.manual_seed(2)
    layers: list[Any] = []
    for inside, dilation in ((1, 1), (5, 2), (5, 4), (5, 1)):
        layers += [torch.nn.Conv3d(inside, 5, 3, padding=dilation, dilation=dilation), torch.nn.ELU()]
    return torch.nn.Sequential(*layers, torch.nn.Conv3d(5, 3, 1)).eval()
