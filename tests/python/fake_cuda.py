"""torch.cuda over the stand-in driver, as much of it as gpu-check's checks by
torch use, for a torch without CUDA. Streams are the stand-in's; device memory
is host memory, which its streams read and write late."""
import contextlib
import ctypes as c
import threading

import torch
from driver import DeviceBlock, HostBlock

DEVICE = torch.device("cuda:0")

driver = None
is_initialized = False
kept = []  # blocks that tensors lie in
here = threading.local()
capturing = None  # the CUDAGraph that records this thread's operations


class Stream:
    def __init__(self, device=None, number=None):
        self.cuda_stream = driver.stream() if number is None else number

    def synchronize(self):
        driver.sync(self.cuda_stream or None)

    def wait_stream(self, other):
        event = c.c_void_p()
        driver.call("cuEventCreate", c.byref(event), 2)
        driver.call("cuEventRecord", event, c.c_void_p(other.cuda_stream))
        driver.call("cuStreamWaitEvent", c.c_void_p(self.cuda_stream), event, 0)
        driver.call("cuEventDestroy_v2", event)


def current_stream(device=None):
    global is_initialized
    is_initialized = True
    return getattr(here, "stream", None) or Stream(number=0)


@contextlib.contextmanager
def stream(other):
    context, before = c.c_void_p(), getattr(here, "stream", None)
    driver.call("cuDevicePrimaryCtxRetain", c.byref(context), driver.device)
    driver.call("cuCtxPushCurrent_v2", context)
    here.stream = other
    yield other
    here.stream = before
    driver.call("cuCtxPopCurrent_v2", c.byref(context))
    driver.call("cuDevicePrimaryCtxRelease_v2", driver.device)


def number():
    return c.c_void_p(current_stream().cuda_stream)


def plain(value):
    return value.as_subclass(torch.Tensor) if isinstance(value, DeviceTensor) else value


class DeviceTensor(torch.Tensor):
    """Says that it lies on the device. clone() is queued; whatever else looks
    at it waits for the current stream, as cpu() does."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), named=None):
        named = named or {}
        with torch._C.DisableTorchFunctionSubclass():
            if function == torch.Tensor.device.__get__:
                return DEVICE
            if function is torch.Tensor.clone:
                return cloned(plain(arguments[0]))
            if capturing is None:
                current_stream().synchronize()
            out = function(*map(plain, arguments), **named)
            if function is torch.Tensor.cpu:
                return out.clone()
            if isinstance(out, torch.Tensor):
                out = out.as_subclass(DeviceTensor)
                if capturing and capturing.thread is threading.current_thread():
                    capturing.operations.append((function, arguments, named, out))
            return out


def tensor_at(block, like):
    kept.append(block)
    raw = (c.c_uint8 * like.nbytes).from_address(block.address)
    return torch.frombuffer(raw, dtype=like.dtype).view(like.shape).as_subclass(DeviceTensor)


def cloned(tensor):
    block = HostBlock(driver, tensor.nbytes)
    driver.read(block.address, tensor.data_ptr(), tensor.nbytes, number())
    return tensor_at(block, tensor)


def to(self, device, non_blocking=False):
    assert device == str(DEVICE) and non_blocking, "all that gpu-check asks for"
    block = DeviceBlock(driver, self.nbytes)
    driver.write(block.address, self.data_ptr(), self.nbytes, number())
    return tensor_at(block, self)


class CUDAGraph:
    def __init__(self):
        self.operations, self.thread = [], threading.current_thread()

    def replay(self):
        current_stream().synchronize()
        for function, arguments, named, out in self.operations:
            plain(out).copy_(function(*map(plain, arguments), **named))


@contextlib.contextmanager
def graph(captured):
    global capturing
    synchronize()
    with stream(Stream()) as side:
        driver.begin_capture(side.cuda_stream)
        capturing = captured
        yield
        capturing = None
        driver.end_capture(side.cuda_stream)


def synchronize():
    driver.call("cuCtxSynchronize")


def late(cycles):
    driver.spin(number(), 0.004)


class Managed(c.Structure):  # DLManagedTensor up to the device's kind
    _fields_ = [("data", c.c_void_p), ("kind", c.c_int32)]


def from_dlpack(capsule, real=torch._C._from_dlpack):
    """torch asks for a versioned capsule, whose tensor lies behind 32 bytes."""
    pointer = c.PyDLL(None).PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = c.c_void_p, [c.py_object, c.c_char_p]
    tensor = Managed.from_address(pointer(capsule, b"dltensor_versioned") + 32)
    if tensor.kind == 1:
        return real(capsule)
    assert tensor.kind == 2
    tensor.kind = 1
    return real(capsule).as_subclass(DeviceTensor)


def install(with_driver):
    global driver
    driver = with_driver
    for name, value in {
            "is_available": lambda: True, "is_initialized": lambda: is_initialized,
            "current_device": lambda: DEVICE.index, "current_stream": current_stream,
            "Stream": Stream, "stream": stream, "synchronize": synchronize,
            "device": contextlib.nullcontext, "CUDAGraph": CUDAGraph, "graph": graph,
            "_sleep": late}.items():
        setattr(torch.cuda, name, value)
    torch._C._from_dlpack = from_dlpack
    torch.Tensor.to = to
    torch.Tensor.is_pinned = lambda self: driver.is_pinned(self.data_ptr())
