"""The shadow: requests that callers made, asked of the candidate too, with no effect on anybody.

Vertex AI copies no traffic. What it does is log requests, so the candidate is asked those on the staging endpoint.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, cast

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as vertex
from google.cloud import bigquery

from plumbline.adapters import endpoints as on
from plumbline.adapters.clients import Clients
from plumbline.adapters.operations import service_errors
from plumbline.canary import scores_apart
from plumbline.errors import ServiceError
from plumbline.problem import Serving

_AT_ONCE = 100
_QUERY = """
SELECT request_payload, response_payload
FROM `{table}`
WHERE ARRAY_LENGTH(request_payload) = ARRAY_LENGTH(response_payload)
ORDER BY logging_time DESC
LIMIT @rows
"""


def shadow(clients: Clients, serving: Serving, endpoint: vertex.Endpoint, staging: str) -> int:
    """How many logged instances the candidate was asked; 0 where the config wants none, or none are logged yet.

    Args:
        clients: Google's.
        serving: How many.
        endpoint: Whose log is read.
        staging: The endpoint on which the candidate answers.

    Raises:
        ServiceError: The candidate refuses what the version before has answered, or scores it too differently.
    """
    logged = _logged(clients, endpoint, serving.canary.shadow) if serving.canary.shadow else []
    scores, before = list[float](), list[float]()
    for start in range(0, len(logged), _AT_ONCE):
        part = logged[start : start + _AT_ONCE]
        try:
            answers = on.predict(clients.predictions(), staging, [instance for instance, _ in part])
        except ServiceError as error:
            raise ServiceError(f"the candidate refuses requests that callers have made: {error}") from error
        scores += [float(cast("float", answer.get("score", math.nan))) for answer in answers]
        before += [score for _, score in part]
    if logged and not (apart := scores_apart(scores, before)) <= serving.canary.maximum_shift:
        limit = f"at most {serving.canary.maximum_shift:g} are allowed"
        raise ServiceError(
            f"on {len(logged)} logged requests the candidate's scores are {apart:.2f} from those given then; {limit}"
        )
    return len(logged)


def _logged(clients: Clients, endpoint: vertex.Endpoint, rows: int) -> Sequence[tuple[Mapping[str, object], float]]:
    """The last instances of the endpoint's log, each with the score that it got."""
    config = clients.endpoints().get_endpoint(name=endpoint.name).predict_request_response_logging_config
    table = config.bigquery_destination.output_uri.removeprefix("bq://")
    if not config.enabled or not table:
        raise ServiceError(
            f"{endpoint.display_name} logs no requests, so it has no shadow: set serving.canary.shadow: 0"
        )
    limit = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("rows", "INT64", rows)])
    with service_errors(f"reading {table}"), closing(clients.bigquery()) as client:
        try:
            job = client.query(_QUERY.format(table=table), job_config=limit)
            found = [(row["request_payload"], row["response_payload"]) for row in job.result()]
        except exceptions.NotFound:
            # Nobody has asked this endpoint yet.
            return []
    pairs = [
        (_object(instance), _object(answer))
        for request, response in found
        for instance, answer in zip(request, response, strict=True)
    ]
    return [(instance, float(answer["score"])) for instance, answer in pairs if instance and "score" in answer][:rows]


def _object(text: str) -> Mapping[str, Any]:
    """The object of a JSON text; an empty one where it is something else, such as a raw request."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
