"""The CUDA driver through ctypes: what running an engine needs and nothing more, so that no CUDA package is required.

Whether there is a driver is asked before anything that would crash without one. What a status means is one table.
"""

import ctypes
import enum
from dataclasses import dataclass
from typing import Any

from models.errors import DeviceLost, ModelError, OutOfDeviceMemory, RuntimeFailed

_LIBRARY = "libcuda.so.1"
_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR = 75, 76
_NAME_BYTES = 128


class Meaning(enum.Enum):
    """What a CUDA status means for us."""

    NO_MEMORY = "no memory"  #: a smaller batch may fit
    POISONED = "poisoned"  #: nothing works any more in this process
    NO_DEVICE = "no device"  #: this machine cannot run it
    FAILED = "failed"  #: this call did not work


#: CUresult (cuda.h): those that are more than a call that failed.
_MEANINGS = {
    2: Meaning.NO_MEMORY,  # CUDA_ERROR_OUT_OF_MEMORY
    3: Meaning.NO_DEVICE,  # CUDA_ERROR_NOT_INITIALIZED
    100: Meaning.NO_DEVICE,  # CUDA_ERROR_NO_DEVICE
    101: Meaning.NO_DEVICE,  # CUDA_ERROR_INVALID_DEVICE
    214: Meaning.POISONED,  # CUDA_ERROR_ECC_UNCORRECTABLE
    700: Meaning.POISONED,  # CUDA_ERROR_ILLEGAL_ADDRESS
    702: Meaning.POISONED,  # CUDA_ERROR_LAUNCH_TIMEOUT
    709: Meaning.POISONED,  # CUDA_ERROR_CONTEXT_IS_DESTROYED
    710: Meaning.POISONED,  # CUDA_ERROR_ASSERT
    714: Meaning.POISONED,  # CUDA_ERROR_HARDWARE_STACK_ERROR
    715: Meaning.POISONED,  # CUDA_ERROR_ILLEGAL_INSTRUCTION
    716: Meaning.POISONED,  # CUDA_ERROR_MISALIGNED_ADDRESS
    717: Meaning.POISONED,  # CUDA_ERROR_INVALID_ADDRESS_SPACE
    718: Meaning.POISONED,  # CUDA_ERROR_INVALID_PC
    719: Meaning.POISONED,  # CUDA_ERROR_LAUNCH_FAILED
    721: Meaning.POISONED,  # CUDA_ERROR_CONTAINED
    802: Meaning.NO_DEVICE,  # CUDA_ERROR_SYSTEM_NOT_READY
    803: Meaning.NO_DEVICE,  # CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
    804: Meaning.NO_DEVICE,  # CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE
}


def meaning_of(status: int) -> Meaning:
    """Return what a CUresult other than 0 means."""
    return _MEANINGS.get(status, Meaning.FAILED)


def error_of(status: int, action: str) -> ModelError:
    """Return what is to be raised for a CUresult other than 0."""
    meaning = meaning_of(status)
    if meaning is Meaning.NO_MEMORY:
        return OutOfDeviceMemory(f"the GPU has too little memory: {action}")
    if meaning is Meaning.POISONED:
        return DeviceLost(f"the GPU's context is lost (CUDA status {status}, {action}): the process must end")
    if meaning is Meaning.NO_DEVICE:
        return RuntimeFailed(
            f"no usable NVIDIA GPU (CUDA status {status}, {action}): look at `nvidia-smi`, or list another runtime in "
            "models.runtimes"
        )
    return RuntimeFailed(f"CUDA failed with status {status}: {action}")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU of this machine.

    Attributes:
        name: As the driver says it, such as "NVIDIA H200".
        compute_capability: Such as (9, 0).
        driver: The CUDA version that the driver implements, such as 13000.
    """

    name: str
    compute_capability: tuple[int, int]
    driver: int


class Cuda:
    """The first GPU's primary context, which PyTorch shares; methods raise what `error_of` returns."""

    def __init__(self) -> None:
        """Open the driver. Raises RuntimeFailed where there is none, before anything could crash."""
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise RuntimeFailed(
                f"no NVIDIA driver on this machine ({_LIBRARY} is not there): install it, start the container with the "
                "GPU, or list another runtime in models.runtimes"
            ) from error
        self._call("cuInit", ctypes.c_uint(0))
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._device, self._context = device, context

    def gpu(self) -> Gpu:
        """Say which GPU it is."""
        name, driver = ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_int()
        self._call("cuDeviceGetName", name, ctypes.c_int(_NAME_BYTES), self._device)
        self._call("cuDriverGetVersion", ctypes.byref(driver))
        numbers = []
        for attribute in (_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR):
            value = ctypes.c_int()
            self._call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(attribute), self._device)
            numbers.append(value.value)
        major, minor = numbers
        return Gpu(name=name.value.decode("ascii", "replace"), compute_capability=(major, minor), driver=driver.value)

    def enter(self) -> None:
        """Make the context this thread's; needed once in every thread that calls."""
        self._call("cuCtxSetCurrent", self._context)

    def stream(self) -> int:
        """Make a stream that does not wait for the default one."""
        handle = ctypes.c_void_p()
        self._call("cuStreamCreate", ctypes.byref(handle), ctypes.c_uint(1))
        return int(handle.value or 0)

    def synchronize(self, stream: int) -> None:
        """Wait for all that was put into a stream."""
        self._call("cuStreamSynchronize", ctypes.c_void_p(stream))

    def allocate(self, size_bytes: int) -> int:
        """Return the address of device memory."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size_bytes, 1)))
        return int(address.value)

    def free(self, address: int) -> None:
        """Give device memory back."""
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def allocate_pinned(self, size_bytes: int) -> int:
        """Return the address of host memory that copies go to and from without another copy."""
        address = ctypes.c_void_p()
        self._call("cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(max(size_bytes, 1)), ctypes.c_uint(0))
        return int(address.value or 0)

    def free_pinned(self, address: int) -> None:
        """Give pinned memory back."""
        self._call("cuMemFreeHost", ctypes.c_void_p(address))

    def to_device(self, device: int, host: int, size_bytes: int, stream: int) -> None:
        """Queue a copy from host to device."""
        self._call(
            "cuMemcpyHtoDAsync_v2",
            ctypes.c_uint64(device),
            ctypes.c_void_p(host),
            ctypes.c_size_t(size_bytes),
            ctypes.c_void_p(stream),
        )

    def to_host(self, host: int, device: int, size_bytes: int, stream: int) -> None:
        """Queue a copy from device to host."""
        self._call(
            "cuMemcpyDtoHAsync_v2",
            ctypes.c_void_p(host),
            ctypes.c_uint64(device),
            ctypes.c_size_t(size_bytes),
            ctypes.c_void_p(stream),
        )

    def close_stream(self, stream: int) -> None:
        """End a stream."""
        self._call("cuStreamDestroy_v2", ctypes.c_void_p(stream))

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise error_of(int(status), name)
