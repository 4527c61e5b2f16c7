"""`make doctor`: whether a run would work, before it is paid for. Everything that is wrong is found at once."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from pipelines.code import code_digest, image_tag
from pipelines.session import connect
from plumbline.adapters.clients import Clients
from plumbline.adapters.identity import identity
from plumbline.config import Loaded
from plumbline.environment import Environment
from plumbline.finding import Finding, Severity
from plumbline.machines import serving_quota, training_quota
from plumbline.preflight import preflight
from plumbline.problem import ProblemConfig
from plumbline.project import Identity, Refused

Say = Callable[[str], None]
_WIDTH = 16


def doctor(loaded: Loaded, environment: Environment, clients: Clients, say: Say, *, offline: bool) -> Sequence[Finding]:
    """Every finding, said while it is found; a run would fail where one is an error (`plumbline.finding.failed`).

    Args:
        loaded: The problem.
        environment: Where it is to run.
        clients: Google's clients there.
        say: Prints a line.
        offline: Ask nobody.
    """
    started = time.monotonic()
    who = identity(clients.environ)
    findings = list(preflight(loaded.config, environment, who))
    _print(findings, say)
    if not offline and who.kind not in ("none", "unknown"):
        asked = examine(loaded.config, environment, clients, who)
        _print(asked, say)
        findings += asked
    say(f"\n{_summary(findings)} ({time.monotonic() - started:.1f} s{', offline' if offline else ''})")
    return findings


@contextmanager
def begun(loaded: Loaded, environment: Environment) -> Iterator[Callable[[Say], Sequence[Finding]]]:
    """Doctor at work in a process of its own, and a function that waits for it, says its lines and gives its findings.

    Google's clients take seconds to import, here as there: with two cores both can do it at once.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as second:
        working = second.submit(_apart, loaded, environment)

        def told(say: Say) -> Sequence[Finding]:
            said, findings = working.result()
            for line in said:
                say(line)
            return findings

        yield told


def _apart(loaded: Loaded, environment: Environment) -> tuple[Sequence[str], Sequence[Finding]]:
    said: list[str] = []
    findings = doctor(loaded, environment, connect(environment), said.append, offline=False)
    return said, findings


def examine(config: ProblemConfig, environment: Environment, clients: Clients, who: Identity) -> Sequence[Finding]:
    """What there is to find by asking Google."""
    from plumbline import diagnosis  # noqa: PLC0415 - the offline part does without
    from plumbline.adapters import project  # noqa: PLC0415 - takes seconds: Google's clients

    needed = quotas(config)
    wanted = project.Wanted(
        environment=environment,
        tables=tuple(dict.fromkeys([*config.data.tables, *(config.observation.tables if config.observation else ())])),
        endpoint=config.serving.endpoint,
        tag=image_tag(code_digest()),
        metrics=tuple(needed),
        services=diagnosis.SERVICES,
    )
    found = project.gather(clients, who, wanted)
    if isinstance(found, Refused):
        return [diagnosis.unreachable(found, environment.project, who.member)]
    return diagnosis.diagnose(config, environment, found, needed)


def quotas(config: ProblemConfig) -> Mapping[str, int]:
    """What a run needs of each quota, by metric; a search needs it for all trials that run side by side."""
    tuning = config.training.tuning
    jobs = min(tuning.parallel, tuning.trials) if tuning else 1
    training = {metric: count * jobs for metric, count in training_quota(config.training.hardware).items()}
    return {**training, **serving_quota(config.serving)}


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings as lines; one command that mends several stands once, below them."""
    for index, finding in enumerate(findings):
        yield f"{finding.severity:<8} {finding.check:<{_WIDTH}} {finding.message}"
        following = findings[index + 1].mend if index + 1 < len(findings) else ""
        if finding.mend and finding.mend != following:
            yield f"{'':<8} {'':<{_WIDTH}} mend: {finding.mend}"


def _print(findings: Sequence[Finding], say: Say) -> None:
    for line in lines(findings):
        say(line)


def _summary(findings: Sequence[Finding]) -> str:
    severities: Sequence[Severity] = ("error", "warning", "note")
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in severities}
    said = [f"{count} {severity}{'' if count == 1 else 's'}" for severity, count in counts.items() if count]
    return ", ".join(said) or "nothing to mend"
