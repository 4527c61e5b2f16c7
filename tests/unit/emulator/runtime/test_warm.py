"""Warm interpreters: a forked process is told from a new one only by what it has imported already."""

import marshal
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from emulator.processes import Command, Process, Supervisor
from emulator.runtime import stand_in, warm
from emulator.runtime.warm import Preload
from tests.waiting import alive, soon

ROOT = Path(__file__).parents[4]
_SOON_S = 20.0
# Quick to import, with state of its own that is drawn at import, and threads of OpenBLAS.
PRELOAD = Preload("test", {}, ("numpy.random",))
# Two tasks may be written in the same second and have the same size: bytecode of one would be taken for the other's.
PYTHON = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
IS_WARM = "sys.argv and 'numpy' in sys.modules"


@dataclass(frozen=True, slots=True)
class Place:
    """A supervisor with fork servers."""

    supervisor: Supervisor
    folder: Path

    def start(self, code: str, *arguments: str, env: Mapping[str, str] | None = None) -> Process:
        """A process that runs a module of this code."""
        (self.folder / "task.py").write_text(f"import os, sys\n{code}\n", encoding="utf-8")
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        return self.supervisor.start(Command(("python", "-m", "task", *arguments), env or {}, self.folder, log))

    def run(self, code: str, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Its exit code and what it prints."""
        process = self.start(code, *arguments, env=env)
        return process.wait(_SOON_S), process.tail(99)


@contextmanager
def place(folder: Path, *preloads: Preload) -> Iterator[Place]:
    """Fork servers on a folder."""
    (folder / "logs").mkdir()
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, **PYTHON}
    supervisor = Supervisor(environment, owner=str(folder), warm=warm.folder(folder))
    try:
        with warm.kept(supervisor, folder, environment, preloads):
            yield Place(supervisor, folder)
    finally:
        supervisor.stop_all(1.0)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One server for the tests that do it no harm."""
    with place(tmp_path_factory.mktemp("warm"), PRELOAD) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """A server that may be harmed."""
    with place(tmp_path, PRELOAD) as made:
        yield made


def test_a_process_finds_the_imports_done(shared: Place) -> None:
    """Before its first line."""
    assert shared.run(f"print({IS_WARM})") == (0, "True")


def test_it_has_what_a_new_interpreter_would_have(shared: Place) -> None:
    """Arguments, folder, environment, path, files and group; no code of this checkout, and itself as `__main__`."""
    code = """
import json, tempfile
own = [name for name in sys.modules if name.split('.')[0] in ('emulator', 'plumbline')]
print(json.dumps({
    'argv': sys.argv, 'cwd': os.getcwd(), 'environ': dict(os.environ), 'path': sys.path, 'own': own,
    'files': sorted(os.listdir('/proc/self/fd')), 'main': sys.modules['__main__'].__spec__.name, 'name': __name__,
    'temporary': tempfile.gettempdir(), 'stdin': sys.stdin.read(), 'orig_argv': sys.orig_argv[1:],
    'frozen': sys.flags.safe_path, 'handler': str(__import__('signal').getsignal(15)),
}))
"""
    temporary = shared.folder / "temporary"
    temporary.mkdir()
    env = {"OWN": "2", "TMPDIR": str(temporary)}
    warmed = shared.run(f"if not ({IS_WARM}): raise SystemExit(9)\n{code}", "a", "b c", env=env)
    # A variable that is read at import makes it a new interpreter.
    new = shared.run(f"if {IS_WARM}: raise SystemExit(9)\n{code}", "a", "b c", env={**env, "TZ": "UTC"})
    assert warmed == (0, new[1].replace(', "TZ": "UTC"', ""))


def test_it_belongs_to_the_group_of_who_started_it(shared: Place) -> None:
    """So that it is stopped with everything below it."""
    process = shared.start("print(os.getpgrp(), os.getpid())")
    process.wait(_SOON_S)
    group, pid = (int(word) for word in process.tail(1).split())
    assert group == process.pid
    assert pid != process.pid


def test_changed_code_is_seen(shared: Place) -> None:
    """The code of a checkout is never kept, only installed packages are."""
    (shared.folder / "library.py").write_text("VALUE = 1\n", encoding="utf-8")
    assert shared.run("import library; print(library.VALUE)") == (0, "1")
    (shared.folder / "library.py").write_text("VALUE = 22\n", encoding="utf-8")
    assert shared.run("import library; print(library.VALUE)") == (0, "22")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit(-1)", 255, ""),
        ("sys.exit('no luck')", 1, "no luck"),
        ("raise ValueError('no luck')", 1, "ValueError: no luck"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV, ""),
        ("print('x', end='')\nos._exit(7)", 7, "x"),
        ("import atexit; atexit.register(print, 'bye')", 0, "bye"),
        ("import threading; threading.Timer(0.1, print, ['late']).start()", 0, "late"),
        ("import ctypes; ctypes.CDLL(None).printf(b'from C')", 0, "from C"),
    ],
)
def test_it_ends_as_an_interpreter_does(shared: Place, code: str, status: int, said: str) -> None:
    """Exit codes, signals, a crash, exit handlers, threads that are waited for, output in buffers."""
    ended, log = shared.run(f"if not ({IS_WARM}): raise SystemExit(9)\n{code}")
    assert (ended, log.splitlines()[-1:]) == (status, [said] if said else [])


def test_a_file_that_was_left_open_is_written(shared: Place) -> None:
    """As when the interpreter closes it at its end."""
    shared.run("kept = open('left', 'w'); kept.write('all of it')")
    assert (shared.folder / "left").read_text(encoding="utf-8") == "all of it"


def test_random_numbers_are_drawn_anew(shared: Place) -> None:
    """Python's and numpy's, though both were seeded before the fork."""
    code = "import random, numpy; print(random.random(), numpy.random.rand(), numpy.random.default_rng().random())"
    drawn = [shared.run(code)[1].split() for _ in range(2)]
    assert len({*drawn[0], *drawn[1]}) == 6


def test_it_ends_in_its_own_way_when_it_is_stopped(own: Place) -> None:
    """SIGTERM reaches it, and whoever stands in for it waits."""
    process = own.start(
        "import signal, time\nsignal.signal(15, lambda *_: sys.exit(5))\nopen('up', 'w').close()\ntime.sleep(60)"
    )
    assert soon((own.folder / "up").exists, within_s=_SOON_S)
    assert process.stop(_SOON_S) == 5


def test_it_is_killed_with_everything_below_it(own: Place) -> None:
    """When it does not end by itself."""
    code = """
import signal, subprocess, time
signal.signal(15, signal.SIG_IGN)
below = subprocess.Popen(['sleep', '60'])
open('pids', 'w').write(f'{os.getpid()} {below.pid}\\n')
time.sleep(60)
"""
    process = own.start(code)
    assert soon(
        lambda: (own.folder / "pids").exists() and (own.folder / "pids").read_text(encoding="utf-8") != "",
        within_s=_SOON_S,
    )
    pids = [int(word) for word in (own.folder / "pids").read_text(encoding="utf-8").split()]
    assert process.stop(0.1) == -signal.SIGKILL
    assert soon(lambda: not any(map(alive, pids)), within_s=_SOON_S)


def test_a_server_that_dies_takes_its_processes_along_and_is_replaced(own: Place) -> None:
    """Nobody would learn how they end; the next process finds a new server."""
    pids = own.folder / "pids"
    process = own.start("import time\nopen('pids', 'w').write(f'{os.getpid()} {os.getppid()}')\ntime.sleep(60)")
    assert soon(lambda: pids.exists() and " " in pids.read_text(encoding="utf-8"), within_s=_SOON_S)
    pid, server = (int(word) for word in pids.read_text(encoding="utf-8").split())
    assert server not in {os.getpid(), process.pid}
    os.kill(server, signal.SIGKILL)
    assert process.wait(_SOON_S) == -signal.SIGKILL
    assert soon(lambda: not alive(pid), within_s=_SOON_S)
    assert own.run(f"print({IS_WARM})") == (0, "True")


def test_a_process_ends_with_whoever_waits_for_it(own: Place) -> None:
    """A task's shell starts the stand-in: when that is killed alone, nobody wants the forked process any more."""
    code = "import os, time\nopen('pids', 'w').write(f'{os.getpid()} {os.getppid()}')\ntime.sleep(60)\n"
    (own.folder / "task.py").write_text(code, encoding="utf-8")
    script = (
        f"{sys.executable} -I -S {stand_in.__file__} {warm.folder(own.folder)} -m task & echo $! > waits; wait; exit 4"
    )
    process = own.supervisor.start(Command(("sh", "-c", script), {}, own.folder, own.folder / "log"))
    pids = own.folder / "pids"
    assert soon(lambda: pids.exists() and " " in pids.read_text(encoding="utf-8"), within_s=_SOON_S)
    pid, waits = int(pids.read_text(encoding="utf-8").split()[0]), int((own.folder / "waits").read_text("utf-8"))
    assert pid != waits
    os.kill(waits, signal.SIGKILL)
    assert process.wait(_SOON_S) == 4
    assert soon(lambda: not alive(pid), within_s=_SOON_S)


_SMALL = """
import socket, sys
from emulator.runtime import forkserver, fresh

forked = forkserver.Server(socket.socket(fileno=int(sys.argv[1])), largest=1).serve()
if forked:
    forkserver.send_started(forked.connection)
    fresh.run(fresh.become(forked.order, forked.files, forget=fresh.own_code(sys.modules)))
"""


def test_a_server_that_has_grown_ends(tmp_path: Path) -> None:
    """After the process that it has forked; here it may have one page of memory."""
    (tmp_path / "task.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    (tmp_path / stand_in.SERVERS).write_bytes(marshal.dumps([("small", {})]))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "small"))
        listener.listen()
        file = listener.fileno()
        server = subprocess.Popen([sys.executable, "-c", _SMALL, str(file)], cwd=ROOT, pass_fds=[file])
    argv = [sys.executable, "-I", "-S", stand_in.__file__, str(tmp_path), "-m", "task"]
    asked = subprocess.run(argv, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, check=False, timeout=_SOON_S)
    assert asked.returncode == 3
    assert server.wait(_SOON_S) == 0


def test_a_package_that_starts_a_thread_makes_for_new_interpreters(tmp_path: Path) -> None:
    """A forked process would not have the thread, so the server refuses to serve."""
    (tmp_path / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
        encoding="utf-8",
    )
    with place(tmp_path, Preload("test", {}, ("numpy.random", "threaded"))) as made:
        assert made.run(f"print({IS_WARM})") == (0, "False")
        log = (tmp_path / "logs" / "warm-test.log").read_text(encoding="utf-8")
    assert log.count("ThreadError: threads are left after the imports") == 3


def test_a_package_that_is_not_installed_is_left_out(tmp_path: Path) -> None:
    """The others are preloaded all the same."""
    with place(tmp_path, Preload("test", {}, ("no_such_package", "numpy.random"))) as made:
        assert made.run(f"print({IS_WARM})") == (0, "True")


def test_processes_run_side_by_side(shared: Place) -> None:
    """Each with its own output, and at the same time."""
    (shared.folder / "task.py").write_text("import sys, time\ntime.sleep(0.5)\nprint(sys.argv[1])\n", encoding="utf-8")
    started = time.monotonic()
    logs = [shared.folder / f"log{number}" for number in range(4)]
    processes = [
        shared.supervisor.start(Command(("python", "-m", "task", log.name), {}, shared.folder, log)) for log in logs
    ]
    assert [process.wait(_SOON_S) for process in processes] == [0] * 4
    assert [process.tail(9) for process in processes] == [log.name for log in logs]
    assert time.monotonic() - started < 1.9


def test_a_server_can_be_started_before_it_is_needed(own: Place) -> None:
    """By whoever knows that it will be; that starts no process of its own, and nothing where there is no server."""
    warm.start(own.folder / "elsewhere")
    assert not (own.folder / "logs" / "warm-test.log").exists()
    warm.start(own.folder)
    assert soon((own.folder / "logs" / "warm-test.log").exists, within_s=_SOON_S)
    assert own.run(f"print({IS_WARM})") == (0, "True")


_PARENT = """
import sys, time
from pathlib import Path
from tests.unit.emulator.runtime.test_warm import PRELOAD, place

with place(Path(sys.argv[1]), PRELOAD) as made:
    made.start("import time; open('pids', 'w').write(f'{os.getpid()} {os.getppid()}'); time.sleep(60)")
    time.sleep(60)
"""


def test_forked_processes_die_with_an_emulator_that_is_killed(tmp_path: Path) -> None:
    """They, and their server, though SIGKILL leaves it no time."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)], cwd=ROOT)
    pids = tmp_path / "pids"
    assert soon(lambda: pids.exists() and " " in pids.read_text(encoding="utf-8"), within_s=_SOON_S)
    found = [int(word) for word in pids.read_text(encoding="utf-8").split()]
    assert all(map(alive, found))
    parent.kill()
    parent.wait()
    assert soon(lambda: not any(map(alive, found)), within_s=_SOON_S)
