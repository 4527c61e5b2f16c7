"""What is tried again: what Google says is retriable, with back-off, and nothing twice."""

from collections.abc import Callable

import pytest
from google.api_core import exceptions, retry

from plumbline.adapters.retries import RETRIABLE, Patience, once, retrying

BRISK = Patience(retry.Retry(predicate=retry.if_exception_type(*RETRIABLE), initial=0.001, maximum=0.002, timeout=0.5))


class Service:
    """Stands for a client: fails as told, and counts."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.name = "service"

    def look(self, *, retry: Callable[..., Callable[[], str]] | None) -> str:
        """An answer, or the next error; as Google's generated clients, it retries what it is told to."""

        def call() -> str:
            self.calls += 1
            if self.errors:
                raise self.errors.pop(0)
            return "answer"

        return retry(call)() if retry else call()


@pytest.mark.parametrize("error", [exceptions.ServiceUnavailable("busy"), exceptions.ResourceExhausted("quota")])
def test_what_passes_is_tried_again(error: Exception) -> None:
    """503 and 429 are asked for again until there is an answer."""
    service = Service(error, error)
    assert retrying(service, BRISK).look() == "answer"  # type: ignore[call-arg] # the retry is named by the stand-in
    assert service.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        exceptions.PermissionDenied("no"),
        exceptions.InvalidArgument("bad"),
        exceptions.NotFound("gone"),
        exceptions.AlreadyExists("there"),
        exceptions.InternalServerError("bug"),
        exceptions.FailedPrecondition("not now"),
    ],
)
def test_what_would_be_the_same_again_is_not(error: Exception) -> None:
    """Any other error comes at once, after a single call."""
    service = Service(error)
    with pytest.raises(type(error)):
        retrying(service, BRISK).look()  # type: ignore[call-arg]
    assert service.calls == 1


def test_a_caller_can_ask_for_no_retry() -> None:
    """`retry=None` is passed on, and other attributes are as they were."""
    service = Service(exceptions.ServiceUnavailable("busy"))
    with pytest.raises(exceptions.ServiceUnavailable):
        retrying(service, BRISK).look(retry=None)
    assert retrying(service, BRISK).name == "service"


def test_nothing_is_made_twice_when_an_answer_is_lost() -> None:
    """The request is carried out and its answer lost: what it made is found, and no second one is made."""
    made: list[str] = []

    def make() -> str:
        made.append("job")
        raise exceptions.ServiceUnavailable("lost")

    assert once(retrying(Service(), BRISK), lambda: made[0] if made else None, make) == "job"
    assert made == ["job"]


def test_what_is_there_is_not_made() -> None:
    """An interrupted run may have made it: it is found before anything is tried."""

    def make() -> str:
        raise AssertionError("made")

    assert once(retrying(Service(), BRISK), lambda: "there", make) == "there"


def test_it_is_made_again_where_nothing_was_made() -> None:
    """A request that was turned away is made again."""
    errors = [exceptions.ServiceUnavailable("busy")]

    def make() -> str:
        if errors:
            raise errors.pop()
        return "made"

    assert once(retrying(Service(), BRISK), lambda: None, make) == "made"
