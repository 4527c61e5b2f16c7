"""What an endpoint was asked and has answered in a window, compared with training and with the window before."""

import secrets

from plumbline.adapters.bigquery import exists, full_name
from plumbline.adapters.clients import Clients
from plumbline.adapters.endpoints import find
from plumbline.adapters.monitoring_jobs import Watched, watched
from plumbline.adapters.registry import parent
from plumbline.adapters.skew import Limits, Question, watch_report
from plumbline.labels import label
from plumbline.monitoring import thresholds
from plumbline.observation import Period
from plumbline.problem import Data, Monitoring
from plumbline.skew import WatchReport, kinds
from plumbline.skew_sql import Window


def compare(  # noqa: PLR0913 - the problem, and which stretch of its log
    clients: Clients, name: str, data: Data, monitoring: Monitoring, *, endpoint: str, period: Period
) -> tuple[Watched, WatchReport]:
    """The distances of a window, and what was compared.

    Args:
        clients: Google's.
        name: Of the problem.
        data: The columns.
        monitoring: The thresholds.
        endpoint: Its id.
        period: The window.

    Raises:
        DataError: A query is refused, or reads too much.
        ServiceError: There is no endpoint that is monitored and logs its requests, or BigQuery fails.
    """
    place = clients.place
    found = watched(clients.jobs(), clients.endpoints(), f"{parent(place)}/endpoints/{endpoint}")
    question = Question(
        log_table=found.log_table,
        training_table=found.training_table,
        window=Window(period.start, period.end, found.deployed_models),
        kinds=kinds(data.features),
        skew=thresholds(monitoring.skew, monitoring.skew_threshold, data.features),
        drift=thresholds(monitoring.drift, monitoring.drift_threshold, data.features),
        predictions=monitoring.prediction_drift,
        minimum_rows=monitoring.minimum_values,
    )
    scratch = full_name(place, f"monitoring_{period.end:%Y%m%d%H%M%S}_{secrets.token_hex(3)}")
    labels = {**place.labels, "problem": label(name)}
    return found, watch_report(clients, question, Limits(scratch, data.maximum_bytes, labels))


def compare_logged(  # noqa: PLR0913 - as above
    clients: Clients, name: str, data: Data, monitoring: Monitoring, *, endpoint: str, period: Period
) -> WatchReport:
    """As `compare`, and no distances where there is nothing to compare yet: nothing is deployed, watched or logged.

    Raises:
        DataError: A query is refused, or reads too much.
        ServiceError: The endpoint is monitored and logs no requests, or BigQuery fails.
    """
    found = find(clients.endpoints(), f"{parent(clients.place)}/endpoints/{endpoint}")
    if found is None or not found.model_deployment_monitoring_job:
        return WatchReport(distances=())
    log = found.predict_request_response_logging_config.bigquery_destination.output_uri.removeprefix("bq://")
    if log and not exists(clients.bigquery(), log):
        return WatchReport(distances=())
    return compare(clients, name, data, monitoring, endpoint=endpoint, period=period)[1]
