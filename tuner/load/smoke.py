"""The control call before a measurement: does the server answer at all, and correctly?"""

from __future__ import annotations

from tuner.errors import TrialFailure
from tuner.load.model import Protocol, Request

_SHOWN = 200


def smoke(url: str, request: Request, protocol: Protocol, timeout_s: float) -> object:
    """Send one request and return `Protocol.answer` of what came back.

    Raises TrialFailure at the stage `verify`: of kind `WrongAnswer` for an answer the protocol refuses, `NoAnswer`
    when none came.
    """
    import httpx  # slow to import, and the load engine must start fast

    try:
        # trust_env: a proxy of the environment must not stand between us and the server on trial
        with httpx.Client(timeout=timeout_s, trust_env=False) as client:
            answer = client.request(
                request.method, url + request.path, headers=dict(request.headers), content=request.body
            )
    except httpx.HTTPError as error:
        reason = f"{request.method} {url}{request.path} was not answered: {error or type(error).__name__}"
        raise TrialFailure(stage="verify", kind="NoAnswer", reason=reason) from None
    problem = protocol.check(answer.status_code, answer.content)
    if problem is not None:
        shown = answer.content[:_SHOWN].decode(errors="replace")
        reason = (
            f"{request.method} {url}{request.path} was answered wrongly: {problem} "
            f"(status {answer.status_code}, the answer begins {shown!r})"
        )
        raise TrialFailure(stage="verify", kind="WrongAnswer", reason=reason)
    return protocol.answer(answer.content)
