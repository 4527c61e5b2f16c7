"""Makes a forked process what a new interpreter would have been, but for what it has imported already."""

import atexit
import ctypes
import gc
import importlib
import io
import os
import runpy
import signal
import sys
import sysconfig
import tempfile
import threading
import types
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from emulator.runtime.stand_in import Order


def own_code(modules: Mapping[str, types.ModuleType]) -> Sequence[str]:
    """The modules that come neither from the standard library nor from an installed package, but from a checkout."""
    installed = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return [name for name, module in modules.items() if not _file(module).startswith(installed)]


def _file(module: types.ModuleType) -> str:
    # Not by getattr: a module that loads itself when it is first used would do so. Built-in ones have no file.
    found = vars(module).get("__file__") if isinstance(module, types.ModuleType) else None
    return found or sysconfig.get_path("stdlib")


def become(order: Order, files: Iterable[int], *, forget: Iterable[str]) -> Sequence[str]:
    """Gives this process all that the order says; returns the arguments of Python.

    Args:
        order: What it is to be.
        files: What it is to have as 0, 1 and 2.
        forget: The modules that it may not have imported: see `own_code`.

    Raises:
        OSError: The folder is not there, or the process group is that of another session.
    """
    arguments, environ, folder, umask, group = order
    os.setpgid(0, group)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environ)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _forget(forget)
    sys.orig_argv = [sys.executable, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = folder
    return arguments


def _forget(modules: Iterable[str]) -> None:
    """What imports have left that a new interpreter would find out, or draw, for itself."""
    for name in modules:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")
    importlib.invalidate_caches()
    tempfile.tempdir = None
    # `random` minds forks by itself.
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    gc.enable()


def run(arguments: Sequence[str]) -> NoReturn:
    """Runs `-m MODULE ARGUMENT...` and ends the process as the interpreter does, less the time to take it apart."""
    code = 1
    try:
        sys.argv = list(arguments[1:])
        runpy._run_module_as_main(arguments[1])  # type: ignore[attr-defined] # noqa: SLF001 - what `python -m` itself calls
        code = 0
    except SystemExit as error:
        code = _code(error)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        if isinstance(error, KeyboardInterrupt):
            code = -signal.SIGINT
    _end(code)


def _code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1


def _end(code: int) -> NoReturn:
    # In the interpreter's order: other threads, exit handlers, output. Source: Py_FinalizeEx.
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - there is no public way to wait for them
    atexit._run_exitfuncs()  # noqa: SLF001 - as above
    for stream in (*_open_files(), sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    # What libraries in C have printed.
    ctypes.CDLL(None).fflush(None)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


def _open_files() -> Sequence[io.IOBase]:
    """Files that nobody has closed: the interpreter would, when it takes apart what refers to them."""
    return [found for found in gc.get_objects() if issubclass(type(found), io.TextIOWrapper | io.BufferedWriter)]
