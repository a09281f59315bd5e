"""Uses an NVIDIA GPU as an engine worker may, and says in JSON what worked: `python confined_gpu.py [late]`.

With `late` the driver's library is begun in confinement, as it was once. Standard library only.
"""

import ctypes
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scheduler"), str(ROOT / "clients")]

from atos_scheduler.engines import confinement, gpu_driver

PTX = (
    b".version 6.0\n.target sm_50\n.address_size 64\n.visible .entry k(.param .u64 a)"
    b"{.reg .u64 r;.reg .u32 x;ld.param.u64 r,[a];mov.u32 x,42;st.global.u32 [r],x;ret;}\0"
)
WORDS = 1 << 18


def compute() -> list[int]:
    """Make a context, fill memory, compile and run a kernel; return the first words of the memory."""
    cuda = ctypes.CDLL(gpu_driver.LIBRARY)

    def call(name: str, *arguments: object) -> None:
        if status := getattr(cuda, name)(*arguments):
            raise OSError(status, name)

    call("cuInit", 0)
    context, memory = ctypes.c_void_p(), ctypes.c_uint64()
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    call("cuCtxCreate_v2", ctypes.byref(context), 0, 0)
    call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(4 * WORDS))
    call("cuMemsetD32_v2", memory, 7, ctypes.c_size_t(WORDS))
    call("cuModuleLoadData", ctypes.byref(module), PTX)
    call("cuModuleGetFunction", ctypes.byref(function), module, b"k")
    given = (ctypes.c_void_p * 1)(ctypes.addressof(memory))
    call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, None, given, None)
    call("cuCtxSynchronize")
    found = (ctypes.c_uint32 * 2)()
    call("cuMemcpyDtoH_v2", found, memory, ctypes.c_size_t(8))
    return list(found)


def readable(path: Path) -> bool:
    """Tell whether a file can be read."""
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def main() -> None:
    """Confine this process and use the GPU."""
    folder = Path(tempfile.mkdtemp())
    model, secret, sockets = folder / "m.gguf", folder / "secret", folder / "s"
    model.write_bytes(b"model")
    secret.write_bytes(b"secret")
    sockets.mkdir()
    begun = "late" if "late" in sys.argv else gpu_driver.begin()
    held = confinement.confine(model, sockets)
    try:
        words: object = compute()
    except OSError as error:
        words = f"{error.strerror or error}: {error.errno}"
    told = {"begun": begun, "held": held, "words": words}
    sys.stdout.write(json.dumps(told | {"model": readable(model), "secret": readable(secret)}))


if __name__ == "__main__":
    main()
