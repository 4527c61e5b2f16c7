"""`make plan`: what a run would make, change and reuse, and what it would cost. It only reads."""

from collections.abc import Mapping

from pipelines.follow import Say
from pipelines.parameters import local_images, parameters
from plumbline import cost, outlook
from plumbline.adapters.clients import Clients
from plumbline.adapters.outlook import look_ahead
from plumbline.config import Loaded
from plumbline.cost import Estimate
from plumbline.environment import Environment


def plan(  # noqa: PLR0913 - what a run needs, and what is known of its images
    loaded: Loaded,
    environment: Environment,
    clients: Clients,
    code: str,
    say: Say,
    *,
    images: Mapping[str, bool] | None = None,
) -> Estimate:
    """The estimate of a run, after telling what it would do.

    Args:
        loaded: The problem config and its query.
        environment: Where things are.
        clients: Google's clients.
        code: Digest of the code, hexadecimal.
        say: Takes a line for the user.
        images: Whether the image of this code is there, by repository; None where nobody has looked.

    Raises:
        DataError: A source table is not there, or the query is refused or reads too much.
        ServiceError: A service refuses or fails.
    """
    config, prices = loaded.config, environment.prices
    found = look_ahead(clients, loaded, code=code)
    known = outlook.facts(
        found, config, parameters(loaded, environment, code=code, images=local_images(environment, code))
    )
    say(f"plan of {config.name} in {environment.project}, {environment.location}; nothing is made")
    for i, (repository, there) in enumerate((images or {}).items()):
        say(f"{'' if i else 'images':<12}{repository}: {'there' if there else 'to be built'}")
    emulated = environment.endpoints is not None
    for line in outlook.lines(found, config, known, schedule=environment.schedule, emulated=emulated):
        say(line)
    found_cost = cost.estimate(config, prices, known)
    say("")
    say(f"cost, by prices of {prices.date} ({prices.source})" if prices else "cost: the environment has no prices")
    for line in cost.table(found_cost):
        say(line)
    return found_cost
