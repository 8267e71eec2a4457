"""Models of other makers. In reading order:

import_kinds     the formats
import_onnx, import_torchscript (in torchscript_child, a process of its own), import_monai (monai_transforms),
import_nnunet (nnunet_plans, nnunet_card); channel_names; import_torch, modules that they made
brainchop        (brainchop_card, brainchop_head) on meshnet, what its files say, as ONNX and as a plain computation;
                 brain_mask_card, of mindgrab
imported_model   the directory that they write; node_order, of its network
weights          by reference into a package, fetched and checked (torchscript_tensors, linknet_graph)
"""
