"""The problem in words: what goes into the model card."""

from typing import Annotated

from pydantic import Field

from plumbline.section import Text, section


@section
class Party:
    """Somebody who answers for the model."""

    name: Text
    contact: Text


@section
class EthicalRisk:
    """A risk to people, and what is done about it."""

    risk: Text
    mitigation: Text


@section
class Statement:
    """The problem in words. All of it goes into the model card."""

    title: Text
    overview: Text
    """What is predicted, for whom, and when."""
    users: Annotated[tuple[Text, ...], Field(min_length=1)]
    use_cases: Annotated[tuple[Text, ...], Field(min_length=1)]
    out_of_scope: Annotated[tuple[Text, ...], Field(min_length=1)]
    goal: Text
    """The metric that counts, and what it must reach."""
    today: Text
    """How the task is done today, without the model."""
    limitations: Annotated[tuple[Text, ...], Field(min_length=1)]
    factors: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What the model's quality may depend on: groups, instruments, surroundings."""
    tradeoffs: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What was given up for what, such as false warnings for missed ones."""
    ethics: Annotated[tuple[EthicalRisk, ...], Field(min_length=1)]
    owners: Annotated[tuple[Party, ...], Field(min_length=1)]
    licence: Text
    references: tuple[Text, ...] = ()
