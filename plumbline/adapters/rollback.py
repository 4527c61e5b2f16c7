"""The version before, back in service."""

from plumbline.adapters import endpoints as on
from plumbline.adapters import registry
from plumbline.adapters.clients import Clients
from plumbline.adapters.monitoring_jobs import follow
from plumbline.adapters.probes import kept
from plumbline.adapters.registry import parent
from plumbline.adapters.rollout import Deployed, roll_out, unshared
from plumbline.errors import ServiceError
from plumbline.problem import Serving


def roll_back(clients: Clients, serving: Serving, name: str) -> tuple[str, Deployed | None]:
    """Takes the traffic back; the version that has it now, and its deployment, None where it was deployed still.

    Where the traffic is shared, a version was on its way: the champion gets all of it. Otherwise the version before the
    champion is deployed as any version is, tested by its own probe, and gets all the traffic in one step; the aliases
    and the monitoring job follow. Doing it again goes back one more.

    Raises:
        ServiceError: There is no endpoint or no version before, or the version before cannot be deployed; then the
            champion serves on.
    """
    endpoint = on.find(clients.endpoints(), f"{parent(clients.place)}/endpoints/{serving.endpoint}")
    champion = registry.champion(clients.models(), clients.place, name)
    if endpoint is None or not champion:
        raise ServiceError(f"nothing of {name} serves on {serving.endpoint} in {clients.place.project}")
    if sum(share > 0 for share in endpoint.traffic_split.values()) > 1:
        unshared(clients, endpoint, name)
        return champion, None
    version = registry.before(clients.models(), champion)
    if version is None:
        raise ServiceError(f"{champion} serves, and there is no version before it to go back to")
    probe = kept(clients.storage(), version.artifact_uri)
    # What serves now is not the measure.
    done = roll_out(clients, serving, version.name, probe, compared=False)
    follow(clients.jobs(), clients.endpoints(), endpoint.name)
    return version.name, done
