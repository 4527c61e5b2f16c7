"""Train: a custom job that leaves a model that takes raw features."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def train(
    place: str,
    name: str,
    data: str,
    training: str,
    trainer_image: str,
    dataset: Input[Dataset],
    model: Output[Model],
    history: Output[Artifact],
) -> None:
    """Runs `trainer.task` on the config's hardware. The job's AIP_MODEL_DIR is the output artifact itself."""
    import os

    from plumbline.adapters.clients import Clients
    from plumbline.adapters.custom_jobs import Job, run
    from plumbline.environment import Place
    from plumbline.labels import label, run_of
    from plumbline.problem import Data, Training
    from plumbline.section import from_json
    from plumbline.training import COMMAND, ENVIRONMENT, arguments

    clients, settings = Clients(from_json(Place, place), os.environ), from_json(Training, training)
    given = arguments(name, from_json(Data, data), settings, dataset=dataset.uri, history=history.uri)
    output, labels = model.uri.rpartition("/")[0], {"problem": label(name), "run": run_of(model.uri)}
    job = Job(f"{name}-train", trainer_image, COMMAND, given, ENVIRONMENT, output, labels)
    model.metadata["job"] = run(clients.jobs(), clients.place, job, settings.hardware)
    model.metadata["framework"] = "TensorFlow"
