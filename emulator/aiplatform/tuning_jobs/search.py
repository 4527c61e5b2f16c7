"""One search: trials side by side, each a custom job, until all are done."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from emulator.aiplatform.context import Context, stamp
from emulator.aiplatform.custom_jobs.runner import CANCELLED, FAILED, SUCCEEDED, Ended, Runner
from emulator.aiplatform.methods import Message
from emulator.aiplatform.tuning_jobs import resource
from emulator.aiplatform.tuning_jobs.measurements import Measured, is_hopeless, read
from emulator.aiplatform.tuning_jobs.suggestion import Tried, suggest

_LOOK_S = 0.05
_MAXIMIZE = 1
_BEST_MEASUREMENT = 2
"""Values of enums in study.proto."""


@dataclass(frozen=True, slots=True)
class Search:
    """Runs the trials of one job; `cancelled` ends it from another thread."""

    context: Context
    job: Message
    save: Callable[[], None]
    """Writes the job down."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    """Set once the job's end is written down."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> Ended:
        """Runs the trials to the job's end: it has succeeded when enough of them have."""
        with ThreadPoolExecutor(int(self.job.parallel_trial_count)) as pool:
            list(pool.map(self._trial, range(resource.combinations(self.job))))
        if self.cancelled.is_set():
            return Ended(CANCELLED, "the job was cancelled")
        failures, count = self._failures(), len(self.job.trials)
        if self._too_many() or len(failures) == count:
            return Ended(FAILED, f"{len(failures)} of {count} trials have failed; the first: {failures[0]}")
        return Ended(SUCCEEDED)

    def _failures(self) -> list[str]:
        return [trial.infeasible_reason for trial in self.job.trials if trial.state == trial.State.INFEASIBLE]

    def _too_many(self) -> bool:
        most = int(self.job.max_failed_trial_count)
        return bool(most) and len(self._failures()) >= most

    def _trial(self, number: int) -> None:
        """Runs one trial, unless the search has come to its end."""
        with self.lock:
            if self.cancelled.is_set() or self._too_many():
                return
            trial = self._begin(number)
        file = self.context.state / "tuning" / self.job.name.rpartition("/")[2] / trial.id / "metrics"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        parameters = {each.parameter_id: each.value.number_value for each in trial.parameters}
        custom = resource.trial_job(self.job, trial.id, parameters)
        custom.name = f"{self.job.name}-trial-{trial.id}"
        for pool in custom.job_spec.worker_pool_specs:
            pool.container_spec.env.add(name=resource.METRICS, value=str(file))
        runner, stopped = Runner(self.context, custom), threading.Event()
        watcher = threading.Thread(target=self._watch, args=(runner, trial, file, stopped), daemon=True)
        watcher.start()
        ended = runner.run()
        runner.ended.set()
        watcher.join()
        self._end(trial, ended, file, was_stopped=stopped.is_set())

    def _begin(self, number: int) -> Message:
        trial = self.job.trials.add(id=str(number + 1))
        trial.state = trial.State.ACTIVE
        stamp(trial, self.context, "start_time")
        chosen = suggest(self.job.study_spec, number, self._tried(), seed=self.job.display_name)
        for name, value in chosen.items():
            trial.parameters.add(parameter_id=name).value.number_value = value
        self.save()
        return trial

    def _tried(self) -> list[Tried]:
        return [
            Tried(
                {each.parameter_id: each.value.number_value for each in trial.parameters},
                self._sign * trial.final_measurement.metrics[0].value,
            )
            for trial in self.job.trials
            if trial.final_measurement.metrics
        ]

    @property
    def _sign(self) -> int:
        return 1 if self.job.study_spec.metrics[0].goal == _MAXIMIZE else -1

    def _watch(self, runner: Runner, trial: Message, file: Path, stopped: threading.Event) -> None:
        """Notes what a trial reports, and ends it with the job, or when it has become hopeless."""
        seen = 0
        while not runner.ended.wait(_LOOK_S):
            if self.cancelled.is_set():
                runner.cancelled.set()
                continue
            measured = read(file, self.job.study_spec.metrics[0].metric_id)
            if len(measured) == seen:
                continue
            seen = len(measured)
            with self.lock:
                self._note(trial, measured)
                hopeless = self._stops_early and is_hopeless(measured, self._others(trial), sign=self._sign)
            if hopeless:
                stopped.set()
                runner.cancelled.set()

    @property
    def _stops_early(self) -> bool:
        return bool(self.job.study_spec.HasField("median_automated_stopping_spec"))

    def _others(self, trial: Message) -> list[Measured]:
        """What the trials that went to their end have reported."""
        return [
            [(int(each.step_count), each.metrics[0].value) for each in other.measurements]
            for other in self.job.trials
            if other.id != trial.id and other.state == other.State.SUCCEEDED
        ]

    def _note(self, trial: Message, measured: Measured) -> None:
        metric = self.job.study_spec.metrics[0].metric_id
        for step, value in measured[len(trial.measurements) :]:
            trial.measurements.add(step_count=step).metrics.add(metric_id=metric, value=value)
        self.save()

    def _end(self, trial: Message, ended: Ended, file: Path, *, was_stopped: bool) -> None:
        with self.lock:
            self._note(trial, read(file, self.job.study_spec.metrics[0].metric_id))
            stamp(trial, self.context, "end_time")
            failure = "" if was_stopped or ended.state == SUCCEEDED else ended.message
            if not failure and not trial.measurements:
                failure = f"the trial has reported no {self.job.study_spec.metrics[0].metric_id}"
            if failure:
                trial.state, trial.infeasible_reason = trial.State.INFEASIBLE, failure
            else:
                # Vertex AI has no state of its own for a trial that was stopped early: it has succeeded.
                trial.state = trial.State.SUCCEEDED
                trial.final_measurement.CopyFrom(self._final(trial))
            self.save()

    def _final(self, trial: Message) -> Message:
        if self.job.study_spec.measurement_selection_type == _BEST_MEASUREMENT:
            return max(trial.measurements, key=lambda each: self._sign * each.metrics[0].value)
        return trial.measurements[-1]
