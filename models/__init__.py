"""Models and arrays; no DICOM, no queue. In reading order:

volume          what goes in: a Volume, an Image or a Waveform
findings        what comes out: a Reading, with a sentence or two for people; errors, what can go wrong
manifest        the card: everything a model says of itself, in model.toml; its sections in card_network,
                card_preparation, card_inference, card_interpretation and card_critical, of card_parts; card_mistakes,
                what is wrong with one
catalog         the model directories of this machine and their checksums
weights         weights by reference into a package, fetched and checked (torchscript, linknet_graph); durable_file
meshnet         what brainchop's files say, as ONNX and as a plain computation (brainchop_head, what its cards share;
                brain_mask_card, of mindgrab)
grid            grids in patient space, and the way from one to another (spline: as nnU-Net goes it)
preparation     from the source grid to the network's (normalisation: its values)
inference       the order in which networks are asked (sliding_window: window by window; slice_by_slice)
answers         what a network's answer means, by the card's kind
interpretation  from the answer to a Reading on the source grid (components: connected parts; measuring; instances:
                parts that are counted and measured; counting, how many)
image_reading   the same three steps for images without a place in space: image_preparation, then classification or
                image_labels; volume_classification, an answer about a whole volume
detection       what a detector finds in a volume or in images (boxes: of those that overlap, the best; box_seams: of
                what a window's edge cuts, the whole)
code_model      a model that comes as Python code, in a process of its own (code_child, bounded_process,
                answer_file)
ecg             the same three steps for an ECG (signal_classification: an answer about a whole recording)
runtime         what runs a network: load, infer, close (onnx_runtime, openvino_runtime, torch_runtime,
                tensorrt_runtime)
tensorrt_build  from ONNX to an engine (tensorrt_graph, network_shapes); engine_cache keeps it; cuda_driver and
                tensorrt_memory run it; tensorrt_caches keeps timings and kernels
loaded          all networks of a model, resident
runtimes        the first of the site's order that gives the golden answers (runtime_names)
builds          models in lower precisions (precision), used only where they were measured; benching, how fast they are
reading         all of it in one function, `read`
checking        golden inputs (golden: how they are made) prove a model on this machine (processor: which it is);
                network_agreement, whether its networks are what the card says
import_kinds    the formats that can be imported: brainchop (brainchop_card), import_onnx, import_torchscript (in
                torchscript_child, a process of its own), import_monai, import_nnunet (nnunet_card); monai_transforms;
                channel_names; import_torch, modules that they made; imported_model, the directory that they write
critical        which of a card's rules a reading fulfils; critical_reason, why
torch_export    from a PyTorch module to the files of a model
testing         a tiny real model, for tests; testing_classifier, one that classifies; testing_runtimes, fake runtimes;
                testing_tensorrt, a labelled fake of TensorRT and its GPU
"""

import os

# Before anything imports ONNX Runtime, whose wheels would else tell Microsoft of the machine and its models; read once,
# when the library is loaded, so its own `disable_telemetry_events` comes too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
