"""The chat and text completions of OpenAI-style servers (vLLM, SGLang, llama.cpp and others), whole or as a stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from tuner.load.http1.events import EventsError, events
from tuner.load.model import Request
from tuner.load.protocols.json_body import HEADERS, parse_answer, parse_object, shown

END = b"[DONE]"
_PATHS = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}
_DELTAS = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call")
"""What a model's output may stand in; `reasoning_content` and `reasoning` are those of servers for thinking models."""
_STREAM = (b"data:", b"event:", b":", b"id:", b"retry:", b"\xef\xbb\xbf")


class OpenAI:
    """POST /v1/chat/completions for a body with `messages`, /v1/completions for one with `prompt`.

    With ``"stream": true`` the answer is a stream of events; those with a piece of output count as tokens (a server may
    put several tokens into one). What models say differs from run to run, so that of an answer only its form must not.
    """

    name = "openai"

    def __init__(self, options: Mapping[str, str]) -> None:
        self._path = options.get("path")

    def encode(self, body: bytes) -> Request:
        message = parse_object(body)
        kinds = [name for name in _PATHS if name in message]
        if len(kinds) != 1:
            raise ValueError(f"the body must have either messages or prompt, it has {shown(list(message))}")
        streams = message.get("stream", False)
        if not isinstance(streams, bool):
            raise ValueError(f"stream is {shown(streams)}, not true or false")
        headers = {**HEADERS, "Accept": "text/event-stream"} if streams else HEADERS
        return Request(method="POST", path=self._path or _PATHS[kinds[0]], headers=headers, body=body, streams=streams)

    def check(self, status: int, body: bytes) -> str | None:
        if status != 200:
            return f"status {status}"
        if body.lstrip().startswith(_STREAM):
            return self._stream_problem(body)
        try:
            message = parse_answer(body)
        except ValueError as error:
            return str(error)
        choices = message.get("choices")
        if not isinstance(choices, list) or not choices:
            return f"choices must be a list with something in it, found {shown(choices)}"
        for choice in choices:
            if not isinstance(choice, dict) or not ("message" in choice or "text" in choice):
                return f"a choice has neither message nor text: {shown(choice)}"
        return None

    def answer(self, body: bytes) -> object:
        """Its form: whole or a stream, of which kind, by which model."""
        if not body.lstrip().startswith(_STREAM):
            message = parse_object(body)
            return {"object": message.get("object"), "model": message.get("model"), "choices": len(message["choices"])}
        first: dict[str, Any] = json.loads(events(body)[0])
        return {"object": first.get("object"), "model": first.get("model"), "stream": True}

    def event(self, data: bytes) -> Literal["token", "other", "end"]:
        """What the data of one event is. Raises ValueError, with what the server says, for an error."""
        if data == END:
            return "end"
        message = parse_answer(data)
        choices = message.get("choices")
        if not isinstance(choices, list):
            raise ValueError(f"an event has no choices: {shown(message)}")
        return "token" if any(_has_output(choice) for choice in choices) else "other"

    def _stream_problem(self, body: bytes) -> str | None:
        try:
            found = [self.event(data) for data in events(body)]
        except (ValueError, EventsError) as error:
            return str(error)
        if "end" not in found:
            return "the stream ended without its end marker, data: [DONE]"
        return None if "token" in found else "the stream held no output"


def _has_output(choice: object) -> bool:
    if not isinstance(choice, dict):
        return False
    if choice.get("text"):
        return True
    delta = choice.get("delta")
    return isinstance(delta, dict) and any(delta.get(name) for name in _DELTAS)
