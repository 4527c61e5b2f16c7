"""The audit of the lock, against a stand-in for OSV on this machine."""

import datetime as dt
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.containers.dockerfile import ROOT
from tests.unit.containers.lock import UV

ACCEPTED = ROOT / "containers" / "accepted.txt"
FINDING = {"vulns": [{"id": "PYSEC-0000-1", "summary": "a finding", "affected": [], "aliases": ["CVE-0000-1"]}]}


class Osv(ThreadingHTTPServer):
    """Answers as OSV does. Source: POST /v1/query of https://google.github.io/osv.dev/api/."""

    answers: Mapping[str, object]
    """What is known of a package, by its name."""


class _Handler(BaseHTTPRequestHandler):
    server: Osv

    def do_POST(self) -> None:
        """What is known of the package that the request names."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(self.server.answers.get(asked["package"]["name"], {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the interface's name
        """Keeps the log of the tests free of requests."""


@pytest.fixture
def osv() -> Iterator[Osv]:
    """A stand-in that knows of nothing, until a test says otherwise."""
    server = Osv(("127.0.0.1", 0), _Handler)
    server.answers = {}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def audit(folder: Path, *arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    """The script, as CI runs it."""
    environ = {**os.environ, "OSV_URL": url, "PATH": f"{Path(UV).parent}:{os.environ['PATH']}", "HOME": str(folder)}
    argv = [str(ROOT / "containers" / "audit.sh"), str(folder / "audit"), *arguments]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)


def address(osv: Osv) -> str:
    """Where a stand-in listens."""
    return f"http://127.0.0.1:{osv.server_port}/v1/query"


def test_a_clean_lock_passes_and_leaves_an_sbom_of_each_image(osv: Osv, tmp_path: Path) -> None:
    """Three CycloneDX files say what is in the images."""
    assert audit(tmp_path, url=address(osv)).returncode == 0
    names = {}
    for image in ("components", "trainer", "serving"):
        bom = json.loads((tmp_path / "audit" / f"{image}.cdx.json").read_text(encoding="utf-8"))
        assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
        names[image] = {found["name"] for found in bom["components"]}
    assert all("tensorflow" in found for found in names.values())
    assert [image for image, found in names.items() if "kfp" in found] == ["components"]


def test_a_finding_fails(osv: Osv, tmp_path: Path) -> None:
    """A known vulnerability of one package stops CI, and is named."""
    osv.answers = {"uvicorn": FINDING}
    found = audit(tmp_path, url=address(osv))
    assert found.returncode == 1
    assert re.search(r"uvicorn +\S+ +PYSEC-0000-1", found.stdout)


@pytest.mark.parametrize(("days", "status"), [(0, 0), (-1, 1)])
def test_an_accepted_finding_passes_until_its_last_day(days: int, status: int, osv: Osv, tmp_path: Path) -> None:
    """A judged finding is let through to the end of its day, and fails the day after."""
    osv.answers = {"uvicorn": FINDING}
    accepted = tmp_path / "accepted.txt"
    until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
    accepted.write_text(f"# why\n{until} PYSEC-0000-1 not reachable here\n", encoding="utf-8")
    assert audit(tmp_path, str(accepted), url=address(osv)).returncode == status


def test_a_service_that_cannot_be_reached_fails(tmp_path: Path) -> None:
    """What could not be checked has not passed."""
    found = audit(tmp_path, url="http://127.0.0.1:9/v1/query")
    assert found.returncode == 1
    assert "could not be checked" in found.stderr


def test_each_accepted_finding_says_until_when_and_why() -> None:
    """A line of the list is a date, an id and a reason."""
    lines = [line for line in ACCEPTED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.match(r"\d{4}-\d\d-\d\d (PYSEC|GHSA|CVE)-\S+ \S+ ", line)] == []
