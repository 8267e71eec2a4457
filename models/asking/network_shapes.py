"""Which shapes a network's input can have, as its card says: what an engine is built for."""

from models.asking.inference import INPUT
from models.card.card_inference import LocateThenRead, Slices, SlidingWindow
from models.card.card_preparation import ImagePreparation, SignalsPreparation, VolumePreparation, WaveformPreparation
from models.card.manifest import Card
from models.runtimes.runtime import NO_SHAPES, ShapeRange, Shapes

#: The name of the input of a network that reads a waveform.
SIGNAL = "signal"


def shapes_of(card: Card, network: str) -> Shapes:
    """Return the range of shapes of a network's input; empty where the card does not bound them."""
    sides = _sides(card, network)
    if sides is None:
        return NO_SHAPES
    smallest, largest = sides
    most = card.networks[network].max_batch
    name = SIGNAL if isinstance(card.preparation, WaveformPreparation) else INPUT
    return {
        name: ShapeRange(
            smallest=(1, *smallest),
            # A GPU is filled by the largest batch, and a head is mostly as large as its box allows.
            usual=(most, *largest),
            largest=(most, *largest),
        )
    }


def _sides(card: Card, network: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the smallest and the largest sides without the batch; for a waveform they begin with the samples."""
    preparation = card.preparation
    if isinstance(preparation, VolumePreparation):
        return _of_volume(preparation, card, network)
    if isinstance(preparation, WaveformPreparation):
        return _fixed((preparation.samples,))
    if isinstance(preparation, SignalsPreparation):
        return _fixed((len(preparation.channels), preparation.samples))
    if isinstance(preparation, ImagePreparation):
        return _fixed((preparation.channels, *preparation.size))
    return None


def _of_volume(
    preparation: VolumePreparation, card: Card, network: str
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    inference, channels = card.inference, 1 + len(preparation.channels)
    if isinstance(inference, SlidingWindow):
        return _fixed((channels, *inference.network_window))
    if isinstance(inference, LocateThenRead) and network == "main":
        return _fixed((1, *inference.read_size))
    return _slices(preparation, inference) if isinstance(inference, Slices) else _volume(preparation)


def _slices(preparation: VolumePreparation, inference: Slices) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    size = _size(preparation)
    if size is None or preparation.crop_above is not None:
        return None
    rest = [side for axis, side in enumerate(size) if axis != inference.axis]
    return _fixed(((1 + len(preparation.channels)) * (2 * inference.neighbours + 1), *rest))


def _volume(preparation: VolumePreparation) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    size = _size(preparation)
    if size is None:
        return None
    channels = 1 + len(preparation.channels)
    if preparation.crop_above is None:
        return _fixed((channels, *size))
    least = [min(preparation.crop_multiple, side) for side in size]
    return (channels, *least), (channels, *size)


def _size(preparation: VolumePreparation) -> tuple[int, ...] | None:
    """Return the sides of the network's grid, None where they depend on the images."""
    if preparation.size is None or preparation.crop_centre is None:
        return preparation.size
    return tuple(min(side, kept or side) for side, kept in zip(preparation.size, preparation.crop_centre, strict=True))


def _fixed(shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return shape, shape
