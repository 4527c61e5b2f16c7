"""`/emulator/clock`: what time it is for the emulator, and a way to set it forward.

No such thing is there on Google Cloud: it is how a year passes in minutes.
"""

import datetime as dt

from pydantic import AwareDatetime, BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from emulator.clock import SettableClock, WakingClock

_BAD, _CONFLICT = 400, 409


class _Moment(BaseModel):
    now: AwareDatetime


def clock_route(clock: WakingClock) -> Route:
    """GET tells the moment, PUT of `{"now": "2013-07-01T00:00:00Z"}` sets a clock forward that can be set."""

    async def answer(request: Request) -> JSONResponse:
        if request.method == "PUT":
            if not isinstance(clock, SettableClock):
                return _refused("the clock is the machine's own: start the emulator with --clock", _CONFLICT)
            try:
                clock.set_to(_Moment.model_validate_json(await request.body()).now.astimezone(dt.UTC))
            except ValidationError as error:
                return _refused(str(error), _BAD)
            except ValueError as error:
                return _refused(str(error), _CONFLICT)
        return JSONResponse({"now": clock.now().isoformat()})

    return Route("/emulator/clock", answer, methods=["GET", "PUT"])


def _refused(message: str, status: int) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": message}}, status)
