"""Continuous evaluation: each version that has answered in a window is found, and judged."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from plumbline.adapters import endpoints, pipeline_jobs, registry
from plumbline.adapters.clients import Clients
from plumbline.adapters.observing import deployed_in, read_observed, read_summary
from plumbline.adapters.registry import parent
from plumbline.adapters.series import write_quality
from plumbline.labels import label
from plumbline.problem import Data, Evaluation
from plumbline.quality import Judgements, Served, judge_period, points


def judge(  # noqa: PLR0913 - what is judged, and where it lies
    clients: Clients, name: str, data: Data, evaluation: Evaluation, *, endpoint: str, observed: Path
) -> Judgements:
    """What the gates say of each version, also written into the time series.

    Args:
        clients: Google's clients.
        name: Of the problem.
        data: The columns.
        evaluation: Slices and gates.
        endpoint: Its id.
        observed: The folder that `observe` has written.
    """
    rows, period = read_observed(observed), read_summary(observed).period
    versions = served(clients, name, endpoint, deployed_in(rows))
    found = judge_period(rows, versions, period, data, evaluation)
    write_quality(clients, name, period, tuple(points(found)))
    return found


def served(clients: Clients, name: str, endpoint: str, deployed: Sequence[str]) -> Mapping[str, Served]:
    """The version and threshold of deployed models, by their ids: also of those that serve no more.

    The endpoint knows those that serve; the others are looked up in the runs that have deployed them, newest first.
    """
    found = endpoints.find(clients.endpoints(), f"{parent(clients.place)}/endpoints/{endpoint}")
    versions = {model.id: endpoints.version_of(model) for model in found.deployed_models} if found else {}
    pipelines = clients.pipelines()
    for run in pipeline_jobs.named(pipelines, clients.place, label(name)):
        if set(deployed) <= set(versions):
            break
        seen = pipeline_jobs.look(pipelines, run)
        here = str(seen.metadata("deploy", "endpoint").get("deployedModelId", ""))
        version = str(seen.metadata("register", "version").get("resourceName", ""))
        if here and version:
            versions.setdefault(here, version)
    models = clients.models()
    return {
        each: Served(versions[each].rpartition("@")[2], registry.threshold(models, versions[each]))
        if each in versions
        else Served(f"deployed-{each}", None)
        for each in deployed
    }
