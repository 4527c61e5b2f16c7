"""What a monitoring job has found, as SearchModelDeploymentMonitoringStatsAnomalies answers it.

Source: job_service.proto, feature_monitoring_stats.proto. A feature that was not judged in a window has no statistics
of that window: a deviation of 0 would say that it had passed. The files of statistics that Vertex AI names are not
there.
"""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emulator.aiplatform import wire
from emulator.aiplatform.context import TYPES
from emulator.aiplatform.errors import invalid, unimplemented
from emulator.aiplatform.methods import Message, message_class
from emulator.aiplatform.monitoring_jobs.analysis import OBJECTIVES, Finding
from emulator.aiplatform.monitoring_jobs.watcher import STATS
from emulator.store import Store

_MOST = 1000
"""Statistics in one answer."""


@dataclass(frozen=True, slots=True)
class _Stats:
    """A feature in a window."""

    finding: Finding
    start: dt.datetime
    end: dt.datetime


def searched(request: Message, job: Message, store: Store) -> Message:
    """The statistics that a request asks for, by objective and feature, each from the first window to the last.

    Raises:
        ApiError: It names no objective or a wrong one, or a model that the job does not watch.
    """
    wanted = _objectives(request)
    watched = {config.deployed_model_id for config in job.model_deployment_monitoring_objective_configs}
    if request.deployed_model_id not in watched:
        raise invalid(f"{job.name} has no objective for the deployed model {request.deployed_model_id!r}")
    if not request.page_token.isdecimal() and request.page_token:
        raise invalid(f"page_token {request.page_token!r} is not one that this method gave")
    found = [each for each in _all(job, store) if _is_asked_for(each, request, wanted)]
    found.sort(key=lambda each: (each.finding.objective, each.finding.feature, each.end))
    start = int(request.page_token or 0)
    end = start + min(request.page_size or _MOST, _MOST)
    response = message_class(f"{TYPES}.job_service:SearchModelDeploymentMonitoringStatsAnomaliesResponse")()
    _fill(response, found[start:end])
    if end < len(found):
        response.next_page_token = str(end)
    return response


def _objectives(request: Message) -> Sequence[str]:
    names = []
    for objective in request.objectives:
        wire.only(objective, ("type", "type_"), "objectives")
        field = next(each for each in objective.DESCRIPTOR.fields if each.name.startswith("type"))
        name = field.enum_type.values_by_number[getattr(objective, field.name)].name
        if name not in OBJECTIVES:
            raise unimplemented(f"the objective {name}")
        names.append(name)
    if not names:
        raise invalid("objectives is required")
    return names


def _all(job: Message, store: Store) -> Iterator[_Stats]:
    for text in store.list(STATS, f"{job.name}@"):
        kept = json.loads(text)
        times = [dt.datetime.fromisoformat(kept[each]) for each in ("start", "end")]
        for finding in kept["findings"]:
            yield _Stats(Finding(**finding), *times)


def _is_asked_for(stats: _Stats, request: Message, objectives: Sequence[str]) -> bool:
    finding = stats.finding
    return (
        finding.deviation is not None
        and finding.model == request.deployed_model_id
        and finding.objective in objectives
        and request.feature_display_name in {"", finding.feature}
        and not (request.HasField("start_time") and stats.end < request.start_time.ToDatetime(tzinfo=dt.UTC))
        and not (request.HasField("end_time") and stats.end > request.end_time.ToDatetime(tzinfo=dt.UTC))
    )


def _fill(response: Message, found: Sequence[_Stats]) -> None:
    for each in found:
        finding = each.finding
        group = response.monitoring_stats[-1] if response.monitoring_stats else None
        if group is None or _objective_name(group) != finding.objective:
            group = response.monitoring_stats.add(deployed_model_id=finding.model)
            values = group.DESCRIPTOR.fields_by_name["objective"].enum_type.values_by_name
            group.objective = values[finding.objective].number
        features = group.feature_stats
        if not features or features[-1].feature_display_name != finding.feature:
            features.add(feature_display_name=finding.feature)
        features[-1].threshold.value = finding.threshold
        stats = features[-1].prediction_stats.add(
            distribution_deviation=finding.deviation, anomaly_detection_threshold=finding.threshold
        )
        stats.start_time.FromDatetime(each.start)
        stats.end_time.FromDatetime(each.end)
        group.anomaly_count += finding.is_anomaly


def _objective_name(group: Message) -> str:
    return str(group.DESCRIPTOR.fields_by_name["objective"].enum_type.values_by_number[group.objective].name)
