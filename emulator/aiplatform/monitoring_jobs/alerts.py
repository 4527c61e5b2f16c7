"""What a monitoring job tells of anomalies: an entry in `logs/monitoring/`, which stands for Cloud Logging, and mails.

Everything is named by its window, so what was told before a kill is not told again after it.
Source: Vertex AI, "Set up feature skew and drift detection", on alerts for feature anomalies.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from emulator.aiplatform.context import Context
from emulator.aiplatform.methods import Message
from emulator.aiplatform.monitoring_jobs.analysis import OBJECTIVES, Finding
from emulator.aiplatform.monitoring_jobs.window import Span
from emulator.project import project_number

_SENDER = "model-monitoring@emulator.invalid"


def publish(context: Context, job: Message, span: Span, findings: Sequence[Finding]) -> None:
    """Tells of the anomalies of a window, as the job's alert config says."""
    alert = job.model_monitoring_alert_config
    for model, objective, anomalies in _groups(findings):
        key = f"{_id(job)}-{model}-{objective}-{span.end:%Y%m%dT%H%M%SZ}"
        if alert.enable_logging:
            _log(context, job, key, _entry(context, job, span, anomalies, key))
        if alert.email_alert_config.user_emails:
            _write(_outbox(context) / f"{key}.eml", _mail(job, span, anomalies, key).as_bytes())
        for channel in alert.notification_channels:
            told = {"notificationChannel": channel, "modelDeploymentMonitoringJob": job.name, "time": _time(span.end)}
            name = f"{key}-{channel.rpartition('/')[2]}.json"
            _write(_outbox(context) / name, json.dumps(told).encode())


def log_file(context: Context, job: Message) -> Path:
    """Where the entries of a job stand, one a line."""
    return context.logs / "monitoring" / f"{_id(job)}.jsonl"


def _groups(findings: Sequence[Finding]) -> Iterator[tuple[str, str, Sequence[Finding]]]:
    anomalies = [each for each in findings if each.is_anomaly]
    for model in sorted({each.model for each in anomalies}):
        for objective in OBJECTIVES:
            chosen = [each for each in anomalies if (each.model, each.objective) == (model, objective)]
            if chosen:
                yield model, objective, chosen


def _entry(context: Context, job: Message, span: Span, anomalies: Sequence[Finding], key: str) -> Mapping[str, object]:
    number = project_number(context.project)
    name = f"projects/{number}/locations/{context.location}/modelDeploymentMonitoringJobs/{_id(job)}"
    first = anomalies[0]
    return {
        "insertId": key,
        "jsonPayload": {
            "@type": "type.googleapis.com/google.cloud.aiplatform.logging.ModelMonitoringAnomaliesLogEntry",
            "modelDeploymentMonitoringJob": name,
            "deployedModelId": first.model,
            "anomalyObjective": first.objective,
            "startTime": _time(span.start),
            "endTime": _time(span.end),
            "totalAnomaliesCount": len(anomalies),
            "featureAnomalies": [
                {"featureDisplayName": each.feature, "deviation": each.deviation, "threshold": each.threshold}
                for each in anomalies
            ],
        },
        "resource": {
            "type": "aiplatform.googleapis.com/ModelDeploymentMonitoringJob",
            "labels": {
                "model_deployment_monitoring_job": _id(job),
                "location": context.location,
                "resource_container": f"projects/{number}",
            },
        },
        "timestamp": _time(span.end),
        "severity": "WARNING",
        "logName": f"projects/{context.project}/logs/aiplatform.googleapis.com%2Fmodel_monitoring_anomaly",
        "receiveTimestamp": _time(context.clock.now()),
    }


def _mail(job: Message, span: Span, anomalies: Sequence[Finding], key: str) -> EmailMessage:
    mail, first = EmailMessage(), anomalies[0]
    mail["From"] = _SENDER
    mail["To"] = ", ".join(job.model_monitoring_alert_config.email_alert_config.user_emails)
    mail["Date"] = format_datetime(span.end)
    mail["Message-ID"] = f"<{key}@emulator.invalid>"
    mail["Subject"] = f"Model monitoring: {first.objective} of {len(anomalies)} features on {job.display_name}"
    lines = [f"{each.feature}: deviation {each.deviation:.6g}, threshold {each.threshold:g}" for each in anomalies]
    head = f"Job {job.name}\nEndpoint {job.endpoint}, deployed model {first.model}\n"
    mail.set_content(f"{head}Window {_time(span.start)} to {_time(span.end)}\n\n" + "\n".join(lines) + "\n")
    return mail


def _log(context: Context, job: Message, key: str, entry: Mapping[str, object]) -> None:
    """Appends an entry, unless it is there; a line that a kill has cut off is taken away."""
    path = log_file(context, job)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if key in {json.loads(line)["insertId"] for line in whole.splitlines()}:
        return
    _write(path, (whole + json.dumps(entry) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    """A file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _outbox(context: Context) -> Path:
    return context.state / "outbox"


def _id(job: Message) -> str:
    return str(job.name.rpartition("/")[2])


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
