#!/bin/sh
# Runs the MicroPython that `make setup` fetched: 32-bit, or 64-bit with TASDID_MPY_ARCH=64. All arguments are passed on;
# TASDID_MPY_HEAP=128k sets the GC heap (else give -X heapsize=... yourself, or take the build's default).
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
words=$(cd "$root" && python3 -m tools.house.toolchain "${TASDID_MPY_ARCH:-32}" "${TASDID_MPY_HEAP:-}") || exit 3
eval "exec $words \"\$@\""
