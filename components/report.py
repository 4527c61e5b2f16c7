"""Report: the page of the run, whatever became of it."""

from kfp import dsl
from kfp.dsl import HTML, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def report(
    place: str, name: str, title: str, run: str, why: str, status: dsl.PipelineTaskFinalStatus, page: Output[HTML]
) -> None:
    """Reads the run back and writes its page. `status` makes kfp run this step whatever happened before."""
    import os
    from pathlib import Path

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.findings import find
    from plumbline.adapters.pipeline_jobs import links, look
    from plumbline.adapters.registry import parent
    from plumbline.environment import Place
    from plumbline.evidence import read_evidence
    from plumbline.report import render
    from plumbline.section import from_json

    clients = Clients(from_json(Place, place), os.environ)
    seen = look(clients.pipelines(), f"{parent(clients.place)}/pipelineJobs/{run}")
    findings = find(seen, Path(os.environ.get("GCS_MOUNT", "/gcs")))
    evidence, told = read_evidence(why), links(seen, clients.place)
    Path(page.path).write_text(render(seen, findings, title=title, links=told, why=evidence), encoding="utf-8")
    page.metadata.update(problem=name, state=status.state)
