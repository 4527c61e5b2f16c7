"""The graph of a model that serves: judged when its labels have come, and trained again where that is called for."""

from kfp import dsl

from components.alert import alert
from components.decide import decide
from components.drift import drift
from components.judge import judge
from components.launch import launch
from components.observe import observe


@dsl.pipeline(name="plumbline-evaluation")
def evaluation(
    name: str,
    place: str,
    data: str,
    sql: str,
    observation: str,
    evaluation: str,
    monitoring: str,
    retraining: str,
    endpoint: str,
    order: str,
    at: str,
) -> None:
    """`sql` gives the labels; `order` is where the training's order lies; `at` is when it is, empty for now."""
    seen = observe(place=place, name=name, data=data, observation=observation, sql=sql, endpoint=endpoint, at=at)
    observed = seen.set_caching_options(enable_caching=False).outputs["observed"]
    judged = judge(place=place, name=name, data=data, evaluation=evaluation, endpoint=endpoint, observed=observed)
    judgements = judged.set_caching_options(enable_caching=False).outputs["judgements"]
    told = alert(place=place, name=name, monitoring=monitoring, at=at, judgements=judgements)
    told.set_caching_options(enable_caching=False)
    moved = drift(place=place, name=name, data=data, monitoring=monitoring, endpoint=endpoint, at=at, observed=observed)
    moved.set_caching_options(enable_caching=False)
    # An alert of this very window is a reason, so that it must be there.
    decided = decide(place=place, retraining=retraining, order=order, at=at).after(told, moved)
    decided.set_caching_options(enable_caching=False)
    with dsl.If(decided.outputs["Output"] == True, name="train"):
        decision = decided.outputs["decision"]
        started = launch(place=place, retraining=retraining, order=order, at=at, decision=decision)
        started.set_caching_options(enable_caching=False)
