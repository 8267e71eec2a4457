"""Models and arrays; no DICOM, no queue. In reading order:

volume          what goes in: a Volume or a Waveform
findings        what comes out: a Reading
manifest        the card: everything a model says of itself, in model.toml
catalog         the model directories of this machine and their checksums
weights         weights by reference into a package, fetched and checked
preparation     from the source grid to the network's
inference       the order in which networks are asked
interpretation  from the network's answer to a Reading on the source grid
runtime         what runs a network: load, infer, close (onnx_runtime)
reading         all of it in one function, `read`
"""
