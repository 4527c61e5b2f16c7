"""The graph: from a table in BigQuery to a monitored endpoint, with gates on the way."""

from kfp import dsl

from components.baseline import baseline
from components.card import card
from components.deploy import deploy
from components.evaluate import evaluate
from components.explain import explain
from components.ingest import ingest
from components.monitor import monitor
from components.prototype import prototype as prototypes
from components.register import register
from components.report import report
from components.signal import signal as signals
from components.snapshot import snapshot
from components.train import train
from components.tune import tune
from components.validate import validate

RUN = dsl.PIPELINE_JOB_NAME_PLACEHOLDER


@dsl.pipeline(name="plumbline-training")
def training(
    name: str,
    title: str,
    place: str,
    statement: str,
    data: str,
    sql: str,
    validation: str,
    today: str,
    signal: str,
    prototype: str,
    training: str,
    evaluation: str,
    explanation: str,
    serving: str,
    monitoring: str,
    code: str,
    trainer_image: str,
    serving_image: str,
    why: str = "",
) -> None:
    """What is neither a digest nor an image is a section of the config, as JSON; `why` is a retraining's evidence."""
    page = report(place=place, name=name, title=title, run=RUN, why=why).set_caching_options(enable_caching=False)
    with dsl.ExitHandler(page, name="run"):
        now = (
            snapshot(place=place, name=name, data=data, sql=sql, validation=validation, training=training, code=code)
            .set_caching_options(enable_caching=False)
            .outputs
        )
        rows = ingest(place=place, name=name, data=data, sql=sql, source_version=now["source_version"]).outputs[
            "dataset"
        ]
        valid = validate(data=data, validation=validation, dataset=rows)
        with dsl.If(valid.outputs["Output"] == True, name="data ok"):
            known = baseline(data=data, baseline=today, dataset=rows).outputs
            found = signals(data=data, signal=signal, dataset=rows)
            with dsl.If(found.outputs["Output"] == True, name="signal ok"):
                first = prototypes(place=place, name=name, data=data, prototype=prototype, dataset=rows).outputs
                tuned = tune(
                    place=place, name=name, data=data, training=training, trainer_image=trainer_image, dataset=rows
                ).outputs
                fit = train(
                    place=place,
                    name=name,
                    data=data,
                    training=tuned["Output"],
                    trainer_image=trainer_image,
                    dataset=rows,
                ).outputs
                judged = evaluate(
                    place=place,
                    data=data,
                    evaluation=evaluation,
                    champion=now["champion"],
                    dataset=rows,
                    baselines=known["scores"],
                    prototypes=first["scores"],
                    model=fit["model"],
                ).outputs
                reasons = explain(data=data, explanation=explanation, dataset=rows, model=fit["model"]).outputs
                carded = card(
                    name=name,
                    statement=statement,
                    data=data,
                    evaluation=evaluation,
                    code=code,
                    dataset=rows,
                    model=fit["model"],
                    history=fit["history"],
                    evaluation_result=judged["evaluation_result"],
                    verdict=judged["verdict"],
                    importance=reasons["importance"],
                ).outputs
                with (
                    dsl.If(judged["Output"] == True, name="model ok"),
                    dsl.If(carded["Output"] == True, name="card ok"),
                ):
                    made = register(
                        place=place,
                        name=name,
                        champion=now["champion"],
                        lineage=now["lineage"],
                        run=RUN,
                        code=code,
                        serving_image=serving_image,
                        dataset=rows,
                        model=fit["model"],
                        evaluation_result=judged["evaluation_result"],
                        card=carded["card"],
                    ).set_caching_options(enable_caching=False)
                    served = deploy(
                        place=place,
                        data=data,
                        serving=serving,
                        dataset=rows,
                        evaluation_result=judged["evaluation_result"],
                        version=made.outputs["version"],
                    ).set_caching_options(enable_caching=False)
                    monitor(
                        place=place, data=data, monitoring=monitoring, dataset=rows, endpoint=served.outputs["endpoint"]
                    ).set_caching_options(enable_caching=False)
