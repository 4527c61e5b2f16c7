"""What a user sees at the end of a run: the verdict, where things are, and a prediction."""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pipelines.follow import Say
from plumbline.adapters.clients import Clients
from plumbline.adapters.endpoints import find, predict
from plumbline.adapters.operations import service_errors
from plumbline.runs import Outcome, Run, outcome

_PAGES: Mapping[str, tuple[str, str]] = {"report": ("report", "page"), "model card": ("card", "page")}


def finish(run: Run, clients: Clients, say: Say, *, folder: Path) -> Outcome:
    """Fetches the pages of a run, asks the endpoint, and tells what came of it all.

    Args:
        run: The run, ended.
        clients: Google's clients.
        say: Takes a line for the user.
        folder: For the pages.
    """
    found = outcome(run)
    say("")
    say(f"{found.kind.upper()}" + ("" if found.kind == "shipped" else f" at {found.where}") + f": {found.reason}")
    if found.kind == "failed":
        for step in run.steps.values():
            for line in step.error.splitlines():
                say(f"    {line}")
    for title, (made_by, output) in _PAGES.items():
        if uri := run.uri(made_by, output):
            say(f"  {title:<12} {fetch(uri, clients, folder / f'{made_by}.html')}")
    if found.kind == "shipped":
        _ask(run, clients, say)
    return found


def fetch(uri: str, clients: Clients, path: Path) -> Path:
    """The path of a local copy of an object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    with service_errors(f"reading {uri}"), closing(clients.storage()) as storage:
        path.write_bytes(storage.bucket(bucket).blob(name).download_as_bytes())
    return path


def _ask(run: Run, clients: Clients, say: Say) -> None:
    """One prediction over HTTP, of a row of the test split."""
    facts = run.metadata("deploy", "endpoint")
    endpoint, sample = str(facts["resourceName"]), json.loads(str(facts["sample"]))
    found = find(clients.endpoints(), endpoint)
    prediction = predict(clients.predictions(found.dedicated_endpoint_dns if found else ""), endpoint, [sample])[0]
    say(f"  {'endpoint':<12} {endpoint}")
    say(f"  {'prediction':<12} {json.dumps(prediction)} for {json.dumps(sample)}")
