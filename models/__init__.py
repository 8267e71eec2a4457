"""Models and arrays; no DICOM, no queue. In reading order:

volume          what goes in: a Volume, an Image or a Waveform
findings        what comes out: a Reading
manifest        the card: everything a model says of itself, in model.toml
catalog         the model directories of this machine and their checksums
weights         weights by reference into a package, fetched and checked (torchscript, linknet_graph); durable_file
meshnet         what brainchop's files say, as ONNX and as a plain computation (brain_mask_card, of mindgrab)
grid            grids in patient space, and the way from one to another
preparation     from the source grid to the network's
inference       the order in which networks are asked (sliding_window: window by window)
interpretation  from the network's answer to a Reading on the source grid (components: connected parts;
                instances: parts that are counted and measured)
image_reading   the same three steps for images without a place in space: image_preparation, then classification or
                image_labels; volume_classification, an answer about a whole volume
ecg             the same three steps for an ECG
runtime         what runs a network: load, infer, close (onnx_runtime, openvino_runtime)
loaded          all networks of a model, resident
runtimes        the first of the site's order that gives the golden answers (runtime_names)
reading         all of it in one function, `read`
checking        golden inputs (golden: how they are made) prove a model on this machine
brainchop       imports brain-structures from brainchop's files; brainchop_card
critical        which of a card's rules a reading fulfils; critical_reason, why
testing         a tiny real model and a constant runtime, for tests; testing_classifier, one that classifies
"""
