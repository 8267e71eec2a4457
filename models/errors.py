"""What can go wrong with a model, each with cause and remedy."""


class ModelError(Exception):
    """Something about a model or its input is wrong; the message names cause and remedy."""


class CardError(ModelError):
    """A model.toml is wrong: the message names the file, the key and what is allowed."""


class ModelIncomplete(ModelError):
    """A card refers to weights that are not here yet: run `wetread models fetch ID`."""


class ChecksumMismatch(ModelError):
    """A file of a model is not the one its card names: fetch or import the model again."""


class ModelTwice(ModelError):
    """Two directories of one path hold models with the same id: move one away, or give its card another id."""


class PackageUnavailable(ModelError):
    """A package that holds weights or samples could not be had: no network, no pip, no such version."""


class WeightsRefused(ModelError):
    """A file of weights is not what its format promises, so nothing in it is used: take the package from its origin."""


class InputRefused(ModelError):
    """The model must not read this input (too small, out of range, no signal): the message says what was expected."""


class ImplausibleResult(ModelError):
    """A result lies outside the card's plausible range, so it is not sent; look at the source images."""


class RuntimeFailed(ModelError):
    """A runtime could not load or run a network; the message carries the runtime's own words."""


class OutOfDeviceMemory(RuntimeFailed):
    """The device has too little memory for this input: a smaller batch is tried, then the job's next attempt."""


class DeviceLost(ModelError):
    """The device's context is poisoned: the process that holds it ends and is replaced."""
