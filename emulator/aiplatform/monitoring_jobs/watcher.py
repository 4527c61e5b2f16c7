"""Runs the monitoring jobs when their time has come, in a thread of its own that sleeps on the clock.

How far a job has looked is one record in the store, written last: after a kill the window that was under way is looked
at again, finds the same, and tells nothing twice.
"""

import datetime as dt
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.aiplatform.bigquery import BigQuery
from emulator.aiplatform.context import TYPES, Collection, Context, stamp
from emulator.aiplatform.deployed import ENDPOINT
from emulator.aiplatform.endpoints.request_log import is_behind
from emulator.aiplatform.errors import NUMBERS, ApiError
from emulator.aiplatform.methods import Message
from emulator.aiplatform.monitoring_jobs import alerts, analysis
from emulator.aiplatform.monitoring_jobs.analysis import PENDING_PREDICTIONS, Finding
from emulator.aiplatform.monitoring_jobs.samples import Samples
from emulator.aiplatform.monitoring_jobs.window import Span, asked, schema_of
from emulator.aiplatform.states import set_state, state_name

log = logging.getLogger(__name__)
KIND = f"{TYPES}.model_deployment_monitoring_job:ModelDeploymentMonitoringJob"
STATS = "monitoring-stats"
"""Kind of a window's findings in the store, by `<job>@<end>`."""
_PROGRESS = "monitoring-progress"
RUNNING, PENDING = "JOB_STATE_RUNNING", "JOB_STATE_PENDING"
_WAITS, _OFFLINE, _RUNS = 1, 2, 3
"""Of MonitoringScheduleState."""
_AGAIN_S = 1.0
"""After that, of real time, BigQuery is asked again, which did not answer or has not all of the log yet."""
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a window."""

    findings: Sequence[Finding] = ()
    code: int = 0
    message: str = ""
    table: str = ""
    has_schema: bool = True


class Watcher:
    """Runs the monitoring jobs of one emulator."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._jobs = Collection(context, KIND)
        self._endpoints = Collection(context, ENDPOINT)
        self._samples = Samples(BigQuery(context.bigquery), context.project)
        self._woken = threading.Event()
        self._stopping = self._again = False
        self._thread: threading.Thread | None = None

    def begin(self, job: Message) -> None:
        """Has a job look at what comes from now on; what was before is looked at by nobody."""
        now = self._context.clock.now().isoformat()
        self._keep_progress(job, now, now)
        self._write_next(job)
        job.schedule_state = _WAITS

    def look(self) -> None:
        """Has the jobs looked at, since one of them is new or another. The thread starts with the first one."""
        with self._context.lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="watcher", daemon=True)
                self._thread.start()
        self._woken.set()

    def reschedule(self, job: Message) -> None:
        """Writes when a job, whose interval may be another, looks next."""
        self._write_next(job)

    def forget(self, name: str) -> None:
        """Takes away what is known of a job that is deleted."""
        self._context.store.delete(_PROGRESS, name)

    def stop(self) -> None:
        """Looks at nothing more, and waits for what is being looked at."""
        self._stopping = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _loop(self) -> None:
        while not self._stopping:
            self._woken.clear()
            self._again = False
            due = self._do_what_is_due()
            if self._again:
                self._woken.wait(_AGAIN_S)
            else:
                self._context.clock.wait(self._woken, due)

    def _do_what_is_due(self) -> dt.datetime | None:
        """When the next thing will be due, None where nothing will."""
        looks = []
        for job in self._jobs.all():
            try:
                looks.append(self._carry_on(job.name))
            except Exception:
                log.exception("%s", job.name)
        return min((each for each in looks if each is not None), default=None)

    def _carry_on(self, name: str) -> dt.datetime | None:
        """Looks at each window of a job that is over; when the next one will be."""
        while not self._stopping:
            with self._context.lock:
                job = self._jobs.find(name)
                if job is None or state_name(job) not in (RUNNING, PENDING):
                    return None
                span = self._span(job)
                if span.end > self._context.clock.now():
                    return span.end
                job.schedule_state = _RUNS
                self._jobs.put(name, job)
            outcome = self._outcome(job, span)
            if outcome is None:
                self._again = True
                return None
            with self._context.lock:
                self._end(name, span, outcome)
        return None

    def _outcome(self, job: Message, span: Span) -> _Outcome | None:
        """What comes of a window; None where BigQuery does not answer, or has not all of the log."""
        table = ""
        try:
            table = analysis.log_of(self._endpoints.get(job.endpoint))
            if is_behind(self._context, span.end):
                return None
            if state_name(job) == PENDING and (few := self._too_few(job, table, span)):
                return _Outcome(message=few, table=table, has_schema=False)
            schema = schema_of(self._context, job.analysis_instance_schema_uri)
            findings = analysis.analyse(job, table, span, schema, self._samples)
            return _Outcome(findings, message=_said(findings), table=table)
        except ApiError as error:
            return _Outcome(code=NUMBERS[error.code], message=error.message, table=table)
        except OSError as error:
            log.warning("%s: %s", job.name, error)
            return None
        except Exception as error:
            # Whatever is wrong with a window, those after it are looked at.
            log.exception("%s", job.name)
            return _Outcome(code=NUMBERS["INTERNAL"], message=f"{type(error).__name__}: {error}", table=table)

    def _too_few(self, job: Message, table: str, span: Span) -> str:
        models = [each.deployed_model_id for each in job.model_deployment_monitoring_objective_configs]
        since = Span(job.create_time.ToDatetime(tzinfo=dt.UTC), span.end, has_before=False)
        count = sum(self._samples.count(asked(table, model, since)) for model in models)
        wanted = f"waits for {PENDING_PREDICTIONS} predictions, since it has no schema: {count} so far"
        return wanted if count < PENDING_PREDICTIONS else ""

    def _end(self, name: str, span: Span, outcome: _Outcome) -> None:
        """Keeps and tells what came of a window, unless the job was paused, changed or deleted meanwhile."""
        job = self._jobs.find(name)
        if job is None or state_name(job) not in (RUNNING, PENDING) or self._span(job) != span:
            return
        if outcome.findings:
            text = analysis.to_json(span, outcome.findings)
            self._context.store.put(STATS, f"{name}@{span.end.isoformat()}", text)
            alerts.publish(self._context, job, span, outcome.findings)
        self._keep_progress(job, span.end.isoformat(), self._progress(job)["anchor"])
        self._write_next(job)
        if outcome.has_schema and outcome.code == 0:
            set_state(job, RUNNING)
        job.schedule_state = _OFFLINE
        latest = job.latest_monitoring_pipeline_metadata
        stamp(latest, self._context, "run_time")
        latest.status.code, latest.status.message = outcome.code, outcome.message
        if outcome.table:
            del job.bigquery_tables[:]
            job.bigquery_tables.add(log_source=2, log_type=1, bigquery_table_path=f"bq://{outcome.table}")
        self._jobs.put(name, job)

    def _span(self, job: Message) -> Span:
        progress = self._progress(job)
        start, anchor = (dt.datetime.fromisoformat(progress[each]) for each in ("start", "anchor"))
        interval = _interval(job)
        return Span(start, start + interval, start - interval >= anchor)

    def _write_next(self, job: Message) -> None:
        job.next_schedule_time.FromDatetime(self._span(job).end)

    def _progress(self, job: Message) -> dict[str, str]:
        text = self._context.store.get(_PROGRESS, job.name)
        if text is None:
            # Of a job that an older emulator made.
            now = self._context.clock.now().isoformat()
            self._keep_progress(job, now, now)
            return {"start": now, "anchor": now}
        found: dict[str, str] = json.loads(text)
        return found

    def _keep_progress(self, job: Message, start: str, anchor: str) -> None:
        """How far the job has looked, and since when without a gap."""
        self._context.store.put(_PROGRESS, job.name, json.dumps({"start": start, "anchor": anchor}))


def _interval(job: Message) -> dt.timedelta:
    return dt.timedelta(seconds=job.model_deployment_monitoring_schedule_config.monitor_interval.seconds)


def _said(findings: Sequence[Finding]) -> str:
    """What is not judged, which is no anomaly and has not passed."""
    left_out = [f"{each.objective} of {each.feature} ({each.reason})" for each in findings if each.deviation is None]
    return f"not judged: {'; '.join(left_out)}" if left_out else ""
