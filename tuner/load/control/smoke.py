"""The control call before a measurement: does the server answer at all, and correctly?"""

from __future__ import annotations

from tuner.errors import TrialFailure
from tuner.load.model import Exchange, Protocol, Request, Unanswered

_SHOWN = 500


def smoke(url: str, request: Request, protocol: Protocol, timeout_s: float, exchange: Exchange) -> object:
    """Send one request by `exchange`, that is from where the load will come, and return `Protocol.answer` of what came.

    Raises TrialFailure at the stage `verify`: of kind `WrongAnswer` for an answer the protocol refuses, `NoAnswer`
    when none came.
    """
    try:
        answer = exchange(url, request, timeout_s)
    except Unanswered as unanswered:
        reason = f"{request.method} {url}{request.path} was not answered: {unanswered}"
        raise TrialFailure(stage="verify", kind="NoAnswer", reason=reason) from None
    problem = protocol.check(answer.status, answer.body)
    if problem is not None:
        if 300 <= answer.status < 400 and answer.location:
            reason = (
                f"{request.method} {url}{request.path} was answered with status {answer.status}, which leads to "
                f"{answer.location[:_SHOWN]!r} and is not followed: ask for that path"
            )
            raise TrialFailure(stage="verify", kind="WrongAnswer", reason=reason)
        shown = answer.body[:_SHOWN].decode(errors="replace")
        reason = (
            f"{request.method} {url}{request.path} was answered wrongly: {problem} "
            f"(status {answer.status}, the answer begins {shown!r})"
        )
        raise TrialFailure(stage="verify", kind="WrongAnswer", reason=reason)
    return protocol.answer(answer.body)
