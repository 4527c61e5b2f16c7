"""Writes the page that says what the emulator of Vertex AI implements: `python -m emulator.page docs/emulator.md`."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from emulator.aiplatform import machines, methods
from emulator.aiplatform.context import Context
from emulator.aiplatform.custom_jobs import resource as custom_jobs
from emulator.aiplatform.custom_jobs import scheduling
from emulator.aiplatform.endpoints import resource as endpoints
from emulator.aiplatform.models import resource as models
from emulator.aiplatform.monitoring_jobs import resource as monitoring_jobs
from emulator.aiplatform.pipeline_jobs import resource as pipeline_jobs
from emulator.aiplatform.schedules import resource as schedules
from emulator.aiplatform.server import Handler, Service, create_service
from emulator.aiplatform.tuning_jobs import resource as tuning_jobs
from emulator.clock import SystemClock
from emulator.platform import page as platform_page
from emulator.processes import Supervisor
from emulator.store import Store

_FIELDS: Mapping[str, Sequence[str]] = {
    "Model": models.FIELDS,
    "Model.container_spec": models.CONTAINER_FIELDS,
    "Endpoint": endpoints.FIELDS,
    "DeployedModel": endpoints.DEPLOYED_FIELDS,
    "DeployedModel.dedicated_resources": ("machine_spec", *endpoints.SCALING),
    "CustomJob": custom_jobs.FIELDS,
    "CustomJob.job_spec": custom_jobs.SPEC_FIELDS,
    "CustomJob.job_spec.worker_pool_specs": custom_jobs.POOL_FIELDS,
    "CustomJob.job_spec.scheduling": scheduling.FIELDS,
    "HyperparameterTuningJob": tuning_jobs.FIELDS,
    "HyperparameterTuningJob.study_spec": tuning_jobs.STUDY_FIELDS,
    "HyperparameterTuningJob.study_spec.parameters": tuning_jobs.PARAMETER_FIELDS,
    "MachineSpec": machines.FIELDS,
    "ModelDeploymentMonitoringJob": monitoring_jobs.FIELDS,
    "PipelineJob": pipeline_jobs.FIELDS,
    "PipelineJob.runtime_config": pipeline_jobs.CONFIG_FIELDS,
    "Schedule": schedules.FIELDS,
}

_HEAD = """# The emulator of Vertex AI

<!-- Written by `python -m emulator.page docs/emulator.md` from the route tables; a test compares the two. -->

`python -m emulator --state DIR` answers Google's own clients on 127.0.0.1. This page lists what it implements of Vertex
AI. A request for anything else is answered `501 UNIMPLEMENTED: <method or field>`; what is taken and has no effect here
is said below. Requests are parsed into Google's own message classes, so a misspelt field or an unknown enum value is a
400 here too.

A client is pointed at it with `api_endpoint="http://127.0.0.1:PORT"`, `transport="rest"` and `AnonymousCredentials()`.
"""

_LIMITS = """## What it does not do

- **Monitoring jobs are kept and checked, but nothing is computed**: no skew, no drift, no alert. A job with an analysis
  instance schema is RUNNING, one without stays PENDING.
- Request-response logging and access logging of an endpoint are accepted and kept, but nothing is logged.
- Containers are processes of this machine: the image is never pulled, so `container_spec.command` has to be given, and
  the command is looked up in the environment that the emulator runs in.
- Machine types, accelerators, TPU topologies, boot disks and reservations are checked against Vertex AI's rules and
  kept; there is no accelerator, and nothing is reserved. Networks and service accounts are kept.
- A customer-managed key (`encryption_spec`) is checked for its form and region, and kept; nothing is encrypted. A model
  is deployed only on an endpoint of the same key, which Google's pages do not say in so many words.
- Whether a region has a machine, and quotas, are not looked at when a job starts.
- Replicas follow the load between `min_replica_count` and `max_replica_count`, by CPU time against one core and by
  requests; the duty cycle of an accelerator never counts. The load is that of 2 s where Vertex AI's is of minutes, and
  there are fewer replicas after 10 s of quiet where Vertex AI waits 5 minutes. `DIR/logs/autoscaling.jsonl` tells all.
- A serving container that ends is replaced; it is not asked for its health again once it has traffic.
- A custom job's failed replica is not retried, but with `restart_job_on_worker_restart` or the strategy SPOT a replica
  that a signal ended starts the job anew, up to 6 times, unless `disable_retries` is set. Chief and workers decide when
  a job has succeeded; parameter servers and evaluators are ended then. No strategy makes a job wait for machines.
- A tuning job has one metric, and parameters that are doubles, integers or discrete numbers. Without an algorithm
  (Vertex AI: Bayesian) parameters are drawn near those of the best trials; median stopping is that of study.proto,
  others answer 501. A trial is no CustomJob that could be looked up.
- Endpoints are shared public ones: 1.5 MB a request, 60 s a prediction. Dedicated and private endpoints answer 501.
- `wait` answers at once, with the operation as it stands; ListOperations has no filter. A cancelled deployment leaves
  nothing behind; other work of an operation goes on to its end.
- Filters are `field="value"` terms joined by `AND`.
- A schedule starts pipeline jobs only. Starting one takes no time here, so `max_concurrent_run_count` is checked and
  kept, and `max_concurrent_active_run_count` decides what is skipped or queued. The id of a run is
  `<pipeline>-<UTC time for which it was scheduled>`; what Vertex AI's look like is not documented.

## What can be made to go wrong

`DIR/faults.json` is a list of rules, looked at anew with each request by Vertex AI and the APIs around it, by Cloud
Storage and by BigQuery's REST API (not the Storage Read API):

    [{"id": "any unique text", "method": "DeployModel", "kind": "operation_hangs", "code": "INTERNAL", "message": "...",
      "times": 1}]

`method` is the name of an RPC; for Cloud Storage and BigQuery it is a regular expression that is looked for in
`VERB /path`. `code` is a name of google.rpc.Code. Without `times` a rule holds for every request; write the file under
another name and move it into place.

| kind | what happens |
|---|---|
| `answer` | The request is not done, and answered with the code. |
| `lost` | The request is done, and answered with the code all the same. |
| `operation_fails` | The operation, custom job or pipeline job that is started ends in the code, without its effect. |
| `operation_hangs` | It does not end until it is cancelled, and has no effect then; a job stays PENDING. |

An operation that is to fail or hang is not looked at closely before: what it asks for may be wrong. For BigQuery,
`denied` in `DIR/access.json` takes permissions away from a caller: its SQL is searched for the tables that it reads and
writes, not parsed.

## After a restart

Everything is in `DIR/vertex.sqlite` and `DIR/gcs`. Deployed models come up again by themselves, in the background. Jobs
and operations that were under way have failed, and say so. Schedules go on; runs that were due meanwhile are left out,
unless the schedule was resumed with `catch_up`.
"""


def page() -> str:
    """The page's text."""
    table, service = methods.load(), _service()
    handlers = service.handlers
    there = [method for method in _once(table) if method.name in handlers]
    missing = [method for method in _once(table) if method.name not in handlers]
    around = platform_page.section(service.platform.services)
    return "\n".join([_HEAD, *_methods(there, handlers), *_fields(), *around, _LIMITS, *_missing(missing)])


def _service() -> Service:
    """An emulator with nothing in it."""
    supervisor = Supervisor({})
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "store")
            state, clock = Path(folder), SystemClock()
            context = Context("p", "l", state=state, store=store, clock=clock, supervisor=supervisor)
            service = create_service(context)
            store.close()
            return service
    finally:
        supervisor.stop_all()


def _once(table: Sequence[methods.Method]) -> Sequence[methods.Method]:
    """Each method once: some have several routes."""
    return list({(method.service, method.name): method for method in table}.values())


def _methods(there: Sequence[methods.Method], handlers: Mapping[str, Handler]) -> Iterator[str]:
    yield "## Methods (v1)\n\n| method | service | what comes of it |\n|---|---|---|"
    for method in there:
        yield f"| `{method.name}` | {method.service} | {_summary(handlers[method.name])} |"
    yield ""


def _summary(handler: Callable[..., object]) -> str:
    return (handler.__doc__ or "The resource of a name.").splitlines()[0]


def _fields() -> Iterator[str]:
    yield "## Fields that requests can set\n\n| message | fields |\n|---|---|"
    for message, fields in _FIELDS.items():
        yield f"| `{message}` | {', '.join(f'`{field}`' for field in fields)} |"
    yield ""


def _missing(missing: Sequence[methods.Method]) -> Iterator[str]:
    yield "## Methods that answer 501\n\nOf the services that the installed SDK knows and the emulator looks at:\n"
    for service in dict.fromkeys(method.service for method in missing):
        names = ", ".join(method.name for method in missing if method.service == service)
        yield f"- {service}: {names}"
    yield ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
