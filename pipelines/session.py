"""What every command against an environment has. Importing it takes no time: Google's clients are made when needed."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipelines import local
from pipelines.follow import Say
from plumbline.adapters.clients import Clients
from plumbline.config import Loaded
from plumbline.environment import Environment, place


@dataclass(frozen=True, slots=True)
class Session:
    """A problem, where it is worked on, and how the user is spoken to."""

    loaded: Loaded
    environment: Environment
    clients: Clients
    state: Path
    """The folder of this machine below which the pages of runs are put."""
    say: Say
    """Takes a line for the user."""


def connect(environment: Environment) -> Clients:
    """Clients of an environment."""
    return Clients(place(environment), local.environ_for(environment, os.environ))
