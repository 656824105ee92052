"""Starts a program out of a ROMFS image on the Unix build of MicroPython, as a microcontroller would out of its flash.

Usage: micropython boot.py IMAGE MODULE [ARGUMENT...]. The image is mapped into memory outside the garbage collector's heap,
mounted at /rom and made the only import path (besides the frozen modules); then MODULE's `main(arguments)` is called and its
integer result, if any, is the exit code. Runs on the device only; never imported by CPython.
"""

import sys

import ffi
import uctypes
import vfs


def map_file(path):
    """The file's content as a bytearray outside the GC heap (mapped read-only: writing to it ends the process)."""
    libc = ffi.open(None)
    handle = libc.func("i", "open", "si")(path, 0)
    if handle < 0:
        raise OSError(2, path)
    size = libc.func("l", "lseek", "ili")(handle, 0, 2)
    read_only, private = 1, 2
    address = libc.func("p", "mmap", "LLiiil")(0, size, read_only, private, handle, 0)
    libc.func("i", "close", "i")(handle)
    if address == -1:
        raise OSError(12, path)
    return uctypes.bytearray_at(address, size)


def start(image, module, arguments):
    """Mount `image` and return what `module.main(arguments)` returns."""
    vfs.mount(vfs.VfsRom(map_file(image)), "/rom")
    sys.path[:] = ["/rom", ".frozen"]
    __import__(module)
    return sys.modules[module].main(arguments)


code = start(sys.argv[1], sys.argv[2], sys.argv[3:])
sys.exit(code if isinstance(code, int) else 0)
