"""Card: the model documented, and whether all that is mandatory is there."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output


@dsl.component(base_image="plumbline/components", install_kfp_package=False)
def card(
    name: str,
    statement: str,
    data: str,
    evaluation: str,
    code: str,
    dataset: Input[Dataset],
    model: Input[Model],
    history: Input[Artifact],
    evaluation_result: Input[Artifact],
    verdict: Input[Artifact],
    importance: Input[Artifact],
    card: Output[Artifact],
    page: Output[HTML],
) -> bool:
    """Writes the model card and returns whether it is complete."""
    from datetime import UTC, datetime
    from pathlib import Path

    from plumbline.adapters.model_card_toolkit import write_card
    from plumbline.card import content, missing, read_facts
    from plumbline.problem import Data, Evaluation
    from plumbline.report import TEMPLATES
    from plumbline.section import from_json
    from plumbline.statement import Statement

    sections = (from_json(Statement, statement), from_json(Data, data), from_json(Evaluation, evaluation))
    left = {"dataset": dataset, "history": history, "evaluation": evaluation_result, "verdict": verdict}
    folders = {what: Path(artifact.path) for what, artifact in {**left, "importance": importance}.items()}
    facts = read_facts(name, sections, folders, path=model.uri, code=code, date=datetime.now(UTC).date().isoformat())
    filled = content(facts)
    write_card(filled, card=Path(card.path), page=Path(page.path), template=TEMPLATES / "card.html.j2")
    absent = missing(filled)
    card.metadata.update(complete=not absent, missing=list(absent))
    return not absent
