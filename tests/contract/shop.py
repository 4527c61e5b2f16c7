"""A problem with an endpoint of its own on the emulator, whose container does what its environment says."""

import dataclasses
from pathlib import Path

import numpy as np

from plumbline.adapters import endpoints as on
from plumbline.adapters import registry
from plumbline.adapters.clients import Clients
from plumbline.candidate import Candidate
from plumbline.environment import Place
from plumbline.probe import Probe
from plumbline.problem import Serving
from tests.contract.conftest import LOCATION, PROJECT, Emulator
from tests.contract.vertex import containers_of, fresh

COMMAND = ("python", "-S", str(Path(__file__).with_name("scoring_container.py")))
IMAGE = "us-central1-docker.pkg.dev/p/serving@sha256:0"
PROBE = Probe(instances=({"x": 1}, {"x": 2}), scores=np.array([0.5, 0.5]), tolerance=1e-6)


@dataclasses.dataclass(frozen=True, slots=True)
class Shop:
    """A problem with an endpoint of its own."""

    clients: Clients
    objects: Path
    name: str
    serving: Serving

    @property
    def endpoint(self) -> str:
        """The endpoint's resource name."""
        return f"projects/{PROJECT}/locations/{LOCATION}/endpoints/{self.serving.endpoint}"

    def register(
        self, score: str = "0.5", *, content: str = "c", lineage: str = "l", opponent: str = "none", **given: str
    ) -> str:
        """A version whose container gives a score, or ends when the score is empty; its name with version.

        `given` is more of the container's environment.
        """
        folder = self.objects / "models" / self.name / content
        folder.mkdir(parents=True, exist_ok=True)
        candidate = Candidate(
            artifact_uri=f"gs://models/{self.name}/{content}",
            content=content,
            image=IMAGE,
            command=COMMAND,
            environment={"SCORE": score, **given} if score else {"OTHER": "x"},
            labels={"lineage": lineage, "opponent": opponent},
        )
        return registry.register(self.clients.models(), self.clients.place, self.name, candidate, card="gs://c").name

    def served(self) -> dict[str, int]:
        """Traffic by version number."""
        now = self.clients.endpoints().get_endpoint(name=self.endpoint)
        versions = {model.id: model.model_version_id for model in now.deployed_models}
        assert set(versions) == set(now.traffic_split), "a model is deployed without traffic"
        return {versions[deployed]: share for deployed, share in now.traffic_split.items()}

    def aliases(self, version: str) -> set[str]:
        """The aliases of a version."""
        return set(self.clients.models().get_model(name=version).version_aliases)

    def is_clean(self) -> bool:
        """Whether the staging endpoint and its containers are gone."""
        staging = f"{self.endpoint}-staging"
        return not on.find(self.clients.endpoints(), staging) and not containers_of(staging)


def open_shop(emulator: Emulator) -> Shop:
    """A problem that no other test has."""
    place = Place(
        project=PROJECT,
        location=LOCATION,
        bucket="models",
        dataset="d",
        bigquery_location=LOCATION,
        labels={"team": "t"},
    )
    name = fresh("shop")
    serving = Serving(endpoint=name, minimum_replicas=1, maximum_replicas=3, target_utilisation=70, timeout_s=30)
    return Shop(Clients(place, emulator.environment), emulator.state / "gcs", name.replace("-", "_"), serving)
