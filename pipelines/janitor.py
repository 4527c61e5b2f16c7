"""`make janitor`: what there is that costs money, and what no run owns. It only lists; removing is for a person."""

import datetime as dt
from collections.abc import Callable, Sequence

from pipelines.follow import Say
from plumbline.adapters.clients import Clients
from plumbline.adapters.inventory import take_stock
from plumbline.environment import Environment
from plumbline.inventory import Entry, Setting, judge

DAYS = 30


def _utc() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def janitor(
    environment: Environment, clients: Clients, say: Say, *, now: Callable[[], dt.datetime] = _utc, days: int = DAYS
) -> Sequence[Entry]:
    """Everything in a place that costs money, each entry with whether a run owns it, after telling about it.

    Args:
        environment: Where things are.
        clients: Google's clients.
        say: Takes a line for the user.
        now: Gives the time.
        days: What no run has used for so long is nobody's.

    Raises:
        ServiceError: A service refuses or fails.
    """
    setting = Setting(clients.place, environment.prices, now(), days)
    entries = judge(take_stock(clients, since=setting.horizon), setting)
    orphans = [entry for entry in entries if entry.orphan]
    say(f"{environment.project}, {environment.location}: {len(entries)} listed, {len(orphans)} of no run (marked !)")
    for entry in entries:
        say(f"{'! ' if entry.orphan else '  '}{entry.kind:<18}{entry.name}  {_price(entry, environment)}")
        say(f"  {'':<18}{entry.detail}{_since(entry)}")
        if entry.orphan:
            say(f"  {'':<18}{entry.orphan}: {entry.command}")
    return entries


def _price(entry: Entry, environment: Environment) -> str:
    if not entry.unit:
        return ""
    if entry.price is None or environment.prices is None:
        return f"price by the {entry.unit} unknown"
    return f"{entry.price:.2f} {environment.prices.currency} by the {entry.unit}"


def _since(entry: Entry) -> str:
    return f", since {entry.since:%Y-%m-%d %H:%M}" if entry.since else ""
