"""Models and arrays; no DICOM, no queue. In reading order; a package knows only those that stand before it.

volume          what goes in: a Volume, an Image or a Waveform
card            everything a model says of itself, in model.toml (runtime_names);
                errors, what can go wrong (foreign: in code of others)
findings        what comes out: a Reading; sentence, a text for people that can be said in another language
catalog         the model directories of this machine and their checksums (durable_file); cards/ has those that ship
preparing       from the source grid to the network's; components, connected parts
runtimes        what runs a network: load, infer, close
asking          networks are asked: in one, window by window, slice by slice
loaded          all networks of a model, resident
interpreting    from the answer to a Reading on the source grid
programs        what runs in a process of its own, within bounds: models that come as Python code
reading         all of it in one function, `read`
engines         TensorRT: from ONNX to an engine, kept and run
proving         which runtime and precision a model may use on this machine, and how fast it is
torch_export    from a PyTorch module to the files of a model
importing       models of other makers
testing         a tiny real model, for tests; testing_classifier, one that classifies; testing_runtimes, fake runtimes;
                testing_tensorrt, a labelled fake of TensorRT and its GPU
"""

import os

# Before anything imports ONNX Runtime, whose wheels would else tell Microsoft of the machine and its models; read once,
# when the library is loaded, so its own `disable_telemetry_events` comes too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
