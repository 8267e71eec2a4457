"""A configuration of nnU-Net's ``plans.json``, whichever release of nnU-Net v2 wrote it. Pure.

With what it inherits, and with its architecture also where a release before 2.4 named only its parts.
"""

from collections.abc import Mapping
from typing import Any

from models.errors import WeightsRefused

_PLANE = 2
#: UNet_class_name of older plans, and what its network calls the number of convolutions, or blocks, of a stage.
_OLDER = {"PlainConvUNet": "n_conv_per_stage", "ResidualEncoderUNet": "n_blocks_per_stage"}


def configuration_of(plans: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a configuration by its name.

    Raises WeightsRefused for one that is not there, or whose network has no name here; KeyError, TypeError for plans
    that are not nnU-Net's.
    """
    configuration = _inherited(plans["configurations"], name, ())
    if "architecture" not in configuration:
        configuration["architecture"] = _older_architecture(configuration)
    return configuration


def _inherited(configurations: Mapping[str, Any], name: str, below: tuple[str, ...]) -> dict[str, Any]:
    """Return what a configuration says over what the one says that it inherits from."""
    if name not in configurations:
        raise WeightsRefused(f"plans.json has no configuration {name}; it has {', '.join(configurations) or 'none'}")
    if name in below:
        raise WeightsRefused(f"the configurations {', '.join(below)} of plans.json inherit from each other in a circle")
    own = dict(configurations[name])
    parent = own.get("inherits_from")
    return {**_inherited(configurations, parent, (*below, name)), **own} if parent else own


def _older_architecture(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the architecture as newer plans write it, by what nnU-Net itself makes of older ones.

    Its trainer built all of them with instance normalisation and leaky rectifiers.
    """
    name = configuration.get("UNet_class_name")
    if name not in _OLDER:
        raise WeightsRefused(
            f"plans.json names no architecture, and its UNet_class_name {name!r} is not read here, only "
            f"{', '.join(_OLDER)}"
        )
    stages = len(configuration["n_conv_per_stage_encoder"])
    base, most = int(configuration["UNet_base_num_features"]), int(configuration["unet_max_num_features"])
    sides = _PLANE if len(configuration["patch_size"]) == _PLANE else 3
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": [min(base * 2**stage, most) for stage in range(stages)],
            "conv_op": f"torch.nn.modules.conv.Conv{sides}d",
            "kernel_sizes": configuration["conv_kernel_sizes"],
            "strides": configuration["pool_op_kernel_sizes"],
            _OLDER[name]: configuration["n_conv_per_stage_encoder"],
            "n_conv_per_stage_decoder": configuration["n_conv_per_stage_decoder"],
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{sides}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
