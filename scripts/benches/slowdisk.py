"""A disk whose every flush takes longer, for a process and its children: a library loaded before the C library."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
static void later(void) {
    const char *text = getenv("BENCH_SYNC_MICROSECONDS");
    long micros = text ? atol(text) : 0;
    struct timespec time = { micros / 1000000, micros % 1000000 * 1000 };
    if (micros) nanosleep(&time, 0);
}
int fsync(int fd) { later(); return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { later(); return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""


def environment(folder: Path, milliseconds: float) -> dict[str, str]:
    """Of a process whose fsync and fdatasync take that much longer; ``folder`` keeps the library."""
    if not milliseconds:
        return dict(os.environ)
    library = folder / "slowdisk.so"
    if not library.exists():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise SystemExit("scripts/bench: a C compiler is needed for --delay (Debian: gcc)")
        source = folder / "slowdisk.c"
        source.write_text(_SOURCE)
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return {**os.environ, "LD_PRELOAD": str(library), "BENCH_SYNC_MICROSECONDS": str(int(milliseconds * 1000))}
