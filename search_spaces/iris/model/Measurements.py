"""The step before the classifier in `search_spaces/graph`: measurements as people write them become centimetres.

As a TRANSFORMER it hands the numbers to Seldon's orchestrator, which asks the classifier. As a MODEL, where there is no
orchestrator, it asks the classifier itself, at CLASSIFIER_URL (http://HOST:PORT), and passes the answer on.
"""

import json
import os
import re
import threading
from collections.abc import Sequence
from http.client import HTTPConnection, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import numpy as np

CENTIMETRES = {"": 1.0, "mm": 0.1, "cm": 1.0, "in": 2.54}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(mm|cm|in|)\s*")


class Measurements:
    """`6.1 cm`, `28 mm`, `1.85 in` or a bare number, which is in centimetres."""

    def __init__(self) -> None:
        self._classifier = os.environ.get("CLASSIFIER_URL", "")
        self._own = threading.local()  # a connection to the classifier for each thread

    def transform_input(self, X: Any, names: Sequence[str] | None = None, meta: Any = None) -> np.ndarray:
        """(n, 4) texts to (n, 4) numbers. Raises ValueError, which seldon-core answers with status 500."""
        return np.array([[centimetres(cell) for cell in row] for row in X])

    def predict_raw(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the classifier answers. Raises ValueError, and OSError where it cannot be asked."""
        rows = self.transform_input(request["data"]["ndarray"])
        status, body = self._asked(json.dumps({"data": {"ndarray": rows.tolist()}}))
        if status != 200:
            raise ValueError(f"the classifier answered with status {status}: {body[:200]!r}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _asked(self, body: str) -> tuple[int, bytes]:
        """A connection that the classifier had closed while it was idle is opened once more."""
        try:
            return self._sent(body)
        except (RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            return self._sent(body)

    def _sent(self, body: str) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1.0/predictions", body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            connection.close()
            raise

    def _connection(self) -> HTTPConnection:
        if not hasattr(self._own, "connection"):
            if not self._classifier:
                raise ValueError("CLASSIFIER_URL is not set: only an orchestrator can ask this step, as a transformer")
            address = urlsplit(self._classifier)
            self._own.connection = HTTPConnection(address.hostname or "", address.port, timeout=10.0)
        connection: HTTPConnection = self._own.connection
        return connection


def centimetres(cell: Any) -> float:
    found = _WRITTEN.fullmatch(str(cell))
    if found is None:
        raise ValueError(f"{cell!r} is no measurement; write it as 6.1 cm, 61 mm or 2.4 in")
    return float(found[1]) * CENTIMETRES[found[2]]
