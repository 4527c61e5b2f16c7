"""CPU time of process groups."""

import os
import subprocess
import sys
import time

from emulator.aiplatform.endpoints.usage import cpu_seconds
from tests.waiting import soon

_BUSY = """
import os, time
if not os.fork():
    while time.process_time() < 0.3: pass
    print("busy", flush=True)
time.sleep(60)
"""


def test_the_time_of_a_group_is_that_of_all_its_processes() -> None:
    """A child of its leader has worked for 0.3 s, the leader hardly; another group's time is its own."""
    with subprocess.Popen([sys.executable, "-S", "-c", _BUSY], process_group=0, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"busy\n"
            found = cpu_seconds([process.pid, os.getpgrp()])
            assert 0.28 <= found[process.pid] <= 0.3 + time.process_time()
            assert found[os.getpgrp()] > 0
        finally:
            os.killpg(process.pid, 9)
    assert soon(lambda: cpu_seconds([process.pid]) == {process.pid: 0.0}, within_s=10.0)
