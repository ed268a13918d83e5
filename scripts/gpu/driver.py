"""The CUDA driver by ctypes, for what gpu-check does as a user of batches: a
stream of its own, a kernel that only waits, copies, a graph's capture.
Standard library only."""
import ctypes as c
import mmap

NON_BLOCKING, PORTABLE, GLOBAL = 1, 1, 0
MEMORY_TYPE, HOST = 2, 1                # CU_POINTER_ATTRIBUTE, CU_MEMORYTYPE
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76

# Returns after so many nanoseconds of the GPU's own clock: work that lies on
# a stream and makes all that comes behind it late.
SPIN = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry stk_spin(.param .u64 p_ns)
{
  .reg .pred %p<2>;
  .reg .b64 %d<4>;
  ld.param.u64 %d1, [p_ns];
  mov.u64 %d2, %globaltimer;
LOOP:
  mov.u64 %d3, %globaltimer;
  sub.u64 %d3, %d3, %d2;
  setp.lt.u64 %p1, %d3, %d1;
  @%p1 bra LOOP;
  ret;
}
\0"""


class DriverError(Exception):
    pass


# As cuda.h declares them; the names are those that it maps to.
CALLS = {
    "cuInit": [c.c_uint],
    "cuDriverGetVersion": [c.POINTER(c.c_int)],
    "cuGetErrorName": [c.c_int, c.POINTER(c.c_char_p)],
    "cuDeviceGetCount": [c.POINTER(c.c_int)],
    "cuDeviceGet": [c.POINTER(c.c_int), c.c_int],
    "cuDeviceGetName": [c.c_char_p, c.c_int, c.c_int],
    "cuDeviceGetAttribute": [c.POINTER(c.c_int), c.c_int, c.c_int],
    "cuDevicePrimaryCtxRetain": [c.POINTER(c.c_void_p), c.c_int],
    "cuCtxPushCurrent_v2": [c.c_void_p],
    "cuStreamCreate": [c.POINTER(c.c_void_p), c.c_uint],
    "cuStreamSynchronize": [c.c_void_p],
    "cuStreamBeginCapture_v2": [c.c_void_p, c.c_int],
    "cuStreamEndCapture": [c.c_void_p, c.POINTER(c.c_void_p)],
    "cuGraphDestroy": [c.c_void_p],
    "cuMemAlloc_v2": [c.POINTER(c.c_uint64), c.c_size_t],
    "cuMemFree_v2": [c.c_uint64],
    "cuMemHostRegister_v2": [c.c_void_p, c.c_size_t, c.c_uint],
    "cuMemHostUnregister": [c.c_void_p],
    "cuMemcpyHtoDAsync_v2": [c.c_uint64, c.c_void_p, c.c_size_t, c.c_void_p],
    "cuMemcpyDtoHAsync_v2": [c.c_void_p, c.c_uint64, c.c_size_t, c.c_void_p],
    "cuPointerGetAttribute": [c.c_void_p, c.c_int, c.c_uint64],
    "cuModuleLoadData": [c.POINTER(c.c_void_p), c.c_char_p],
    "cuModuleGetFunction": [c.POINTER(c.c_void_p), c.c_void_p, c.c_char_p],
    "cuLaunchKernel": [c.c_void_p] + [c.c_uint] * 7
    + [c.c_void_p, c.POINTER(c.c_void_p), c.c_void_p],
}


class Driver:
    """One device, its primary context current on this thread for good."""

    def __init__(self, ordinal):
        try:
            self.library = c.CDLL("libcuda.so.1")
        except OSError as error:
            raise DriverError(f"no CUDA driver: {error}") from None
        self.is_standin = hasattr(self.library, "standin_counts")
        for name, arguments in CALLS.items():
            getattr(self.library, name).argtypes = arguments
        self.call("cuInit", 0)
        self.version, self.n_devices, device = c.c_int(), c.c_int(), c.c_int()
        self.call("cuDriverGetVersion", c.byref(self.version))
        self.call("cuDeviceGetCount", c.byref(self.n_devices))
        if ordinal >= self.n_devices.value:
            raise DriverError(f"no CUDA device {ordinal}: there are "
                              f"{self.n_devices.value}")
        self.call("cuDeviceGet", c.byref(device), ordinal)
        self.device = device.value
        context = c.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", c.byref(context), self.device)
        self.call("cuCtxPushCurrent_v2", context)
        module, self.spinner = c.c_void_p(), c.c_void_p()
        self.call("cuModuleLoadData", c.byref(module), SPIN)
        self.call("cuModuleGetFunction", c.byref(self.spinner), module,
                  b"stk_spin")

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            text = c.c_char_p()
            self.library.cuGetErrorName(code, c.byref(text))
            raise DriverError(f"{name}: {(text.value or b'?').decode()} "
                              f"({code})")

    def describe(self):
        name = c.create_string_buffer(96)
        self.call("cuDeviceGetName", name, 96, self.device)
        version = self.version.value
        return (f"{name.value.decode()}, compute capability "
                f"{self.attribute(CAPABILITY_MAJOR)}."
                f"{self.attribute(CAPABILITY_MINOR)}, driver for CUDA "
                f"{version // 1000}.{version % 1000 // 10}, "
                f"{self.n_devices.value} device(s)")

    def attribute(self, which):
        value = c.c_int()
        self.call("cuDeviceGetAttribute", c.byref(value), which, self.device)
        return value.value

    def stream(self):
        """A stream that does not wait for the default one."""
        out = c.c_void_p()
        self.call("cuStreamCreate", c.byref(out), NON_BLOCKING)
        return out.value

    def sync(self, stream):
        self.call("cuStreamSynchronize", stream)

    def spin(self, stream, seconds):
        """Keeps the stream busy, on one thread of the GPU."""
        ns = c.c_uint64(int(seconds * 1e9))
        arguments = (c.c_void_p * 1)(c.addressof(ns))
        self.call("cuLaunchKernel", self.spinner, 1, 1, 1, 1, 1, 1, 0, stream,
                  arguments, None)

    def read(self, to, address, n_bytes, stream):
        self.call("cuMemcpyDtoHAsync_v2", to, address, n_bytes, stream)

    def write(self, address, data, n_bytes, stream):
        self.call("cuMemcpyHtoDAsync_v2", address, data, n_bytes, stream)

    def is_pinned(self, address):
        """What torch's is_pinned() asks."""
        kind = c.c_int()
        return self.library.cuPointerGetAttribute(
            c.byref(kind), MEMORY_TYPE, address) == 0 and kind.value == HOST

    def begin_capture(self, stream):
        self.call("cuStreamBeginCapture_v2", stream, GLOBAL)

    def end_capture(self, stream):
        """Raises where the capture has been invalidated."""
        graph = c.c_void_p()
        self.call("cuStreamEndCapture", stream, c.byref(graph))
        if not graph.value:
            raise DriverError("the graph's capture was invalidated")
        self.call("cuGraphDestroy", graph)

    def violations(self):
        """What the stand-in driver has found wrong so far."""
        counts = (c.c_int64 * 64)()
        self.library.standin_counts(counts)
        return counts[0]


class HostBlock:
    """Page-locked memory, so that copies to it do not hold up the host."""

    def __init__(self, driver, n_bytes):
        self.driver = driver
        self.map = mmap.mmap(-1, n_bytes)
        self.address = c.addressof(c.c_char.from_buffer(self.map))
        driver.call("cuMemHostRegister_v2", self.address, n_bytes, PORTABLE)

    def bytes(self, at, n_bytes):
        return c.string_at(self.address + at, n_bytes)

    def close(self):
        self.driver.call("cuMemHostUnregister", self.address)


class DeviceBlock:
    def __init__(self, driver, n_bytes):
        self.driver, address = driver, c.c_uint64()
        driver.call("cuMemAlloc_v2", c.byref(address), n_bytes)
        self.address = address.value

    def close(self):
        self.driver.call("cuMemFree_v2", self.address)
