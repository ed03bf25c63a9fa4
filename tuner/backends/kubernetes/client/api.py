"""What we use of the Kubernetes API, in plain dicts and lists, with its refusals in words.

The transport, credentials and TLS are the official client's; objects stay the JSON the API server speaks, so that
custom resources need nothing of their own. A server that does not answer is asked again, with back-off, up to a bound.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import ws_client

from tuner.backends.kubernetes.client.refusals import Refused, handshake, refusal, will_pass
from tuner.backends.kubernetes.client.resources import PODS, ApiResource, Object
from tuner.errors import BackendFailure, EnvironmentFailure

FIELD_MANAGER = "tuner"
AWAY_AT_MOST_S = 60.0
"""For so long an API server that does not answer is asked again: restarts and fail-overs take less."""

_NODE_AWAY_S = 5.0
"""For so long what only a node's kubelet can tell: a node that is lost stays away."""
_TIMEOUT_S = (3.0, 20.0)
"""To connect, and between two pieces of an answer."""
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
BEHIND_S = 120.0
"""So long after it was away its controllers and nodes may not have found it again, for each asks ever less often: what
is well all the time may look lost, and what is new may not be begun."""
_SETTLES_S = 30.0
"""So long after it was away an API server may fail for reasons of its own."""
_PATCHES = {"apply": "application/apply-patch+yaml", "merge": "application/merge-patch+json"}


class Api:
    """One namespace of one cluster. May be used by several threads."""

    def __init__(
        self,
        *,
        namespace: str | None = None,
        kubeconfig: Path | None = None,
        context: str | None = None,
        away_at_most_s: float = AWAY_AT_MOST_S,
    ) -> None:
        """Raises EnvironmentFailure when there is no usable kubeconfig and this is no pod of a cluster."""
        self._configuration, self.context, own = _configuration(kubeconfig, context)
        self.namespace = namespace or own
        self._client = client.ApiClient(self._configuration)
        self._away_at_most_s = away_at_most_s
        self._known: dict[str, dict[str, ApiResource]] = {}
        self._ahead = timedelta(0)
        self._unanswered_at: float | None = None

    def was_away(self, within_s: float) -> bool:
        """Whether the API server did not answer, no longer ago than this: nodes need a while to be heard of again."""
        at = self._unanswered_at
        return at is not None and time.monotonic() - at < within_s

    @property
    def cluster(self) -> str:
        return self.context or "the cluster this pod runs in"

    @property
    def server(self) -> str:
        return str(self._configuration.host)

    def now(self) -> datetime:
        """The API server's clock, to the second, UTC."""
        return datetime.now(UTC) + self._ahead

    def resource(self, api_version: str, kind: str) -> ApiResource:
        """Raises Refused for a kind that this cluster does not know."""
        if api_version not in self._known:
            root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                listed = self.call("GET", root, what=f"the kinds of {api_version}")
            except Refused as refused:
                if refused.status != 404:
                    raise
                listed = {}
            self._known[api_version] = {
                entry["kind"]: ApiResource(
                    api_version=api_version,
                    kind=entry["kind"],
                    plural=entry["name"],
                    namespaced=bool(entry["namespaced"]),
                )
                for entry in listed.get("resources", ())
                if "/" not in entry["name"]
            }
        found = self._known[api_version].get(kind)
        if found is None:
            del self._known[api_version]  # it may be installed meanwhile
            message = f"the cluster knows no {kind} of {api_version}; install the operator that defines it"
            raise Refused(what=kind, status=404, reason="NotFound", message=message)
        return found

    def resource_of(self, obj: Mapping[str, Any]) -> ApiResource:
        return self.resource(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))

    def get(self, resource: ApiResource, name: str) -> Object | None:
        """None: there is none of that name."""
        try:
            return self.call("GET", resource.path(self.namespace, name), what=f"{resource.kind} {name}")
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def items(self, resource: ApiResource, *, labels: str = "", fields: str = "") -> list[Object]:
        return self.items_at(resource, labels=labels, fields=fields)[0]

    def items_at(self, resource: ApiResource, *, labels: str = "", fields: str = "") -> tuple[list[Object], str]:
        """The objects, and the version from which a watch goes on."""
        found = self.call(
            "GET",
            resource.path(self.namespace),
            query={"labelSelector": labels, "fieldSelector": fields},
            what=f"the {resource.plural}",
        )
        return list(found.get("items") or ()), str(found.get("metadata", {}).get("resourceVersion", ""))

    def create(self, resource: ApiResource, obj: Object, *, dry_run: bool = False) -> Object:
        return self.call(
            "POST",
            resource.path(self.namespace),
            query={"fieldManager": FIELD_MANAGER, "dryRun": "All" if dry_run else ""},
            body=obj,
            what=_named(obj),
        )

    def apply(self, resource: ApiResource, obj: Object, *, dry_run: bool = False, force: bool = False) -> Object:
        """Server-side apply under our own field manager. Raises Refused (409) where another manager owns a field."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "", "dryRun": "All" if dry_run else ""}
        path = resource.path(self.namespace, obj["metadata"]["name"])
        return self.call("PATCH", path, query=query, body=obj, patch="apply", what=_named(obj))

    def merge(self, resource: ApiResource, name: str, change: Object) -> Object:
        path = resource.path(self.namespace, name)
        query = {"fieldManager": FIELD_MANAGER}
        return self.call("PATCH", path, query=query, body=change, patch="merge", what=f"{resource.kind} {name}")

    def delete(
        self, resource: ApiResource, name: str, *, grace_s: int | None = None, propagation: str = "Background"
    ) -> bool:
        """False: it was gone already. What it owns follows in the background, or with ``Orphan`` stays."""
        options: Object = {"propagationPolicy": propagation}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            self.call("DELETE", resource.path(self.namespace, name), body=options, what=f"{resource.kind} {name}")
        except Refused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    def logs(self, pod: str, container: str, *, tail: int, previous: bool = False) -> str:
        query = {"container": container, "tailLines": str(tail), "previous": "true" if previous else ""}
        return self.text(PODS.path(self.namespace, pod, "log"), query, what=f"the log of {pod}")

    def text(self, path: str, query: Mapping[str, str] | None = None, *, what: str) -> str:
        """The answer to a GET as it is: logs, or what a node's kubelet says through the proxy."""
        return self._answer("GET", path, query=query, what=what, busy_s=_NODE_AWAY_S).decode(errors="replace")

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        patch: str | None = None,
        what: str,
    ) -> Object:
        """One request and its JSON answer. Raises NotAllowed, Refused, or BackendFailure when none comes."""
        answer: Object = json.loads(self._answer(method, path, query=query, body=body, patch=patch, what=what))
        return answer

    def stream(self, path: str, query: Mapping[str, str], *, what: str, silent_s: float) -> urllib3.BaseHTTPResponse:
        """An answer that goes on, to be read and closed by the caller; not asked again when it breaks off."""
        response = self._send("GET", path, query, None, None, (_TIMEOUT_S[0], silent_s))
        if response.status >= 400:
            raise refusal(what, response.status, response.read())
        return response

    def execute(
        self, pod: str, container: str, command: list[str], *, timeout_s: float = 5.0, any_status: bool = False
    ) -> str:
        """What a command prints on standard output inside a container.

        Raises Refused when it cannot be run there, or ends with a status other than 0 (with `any_status`: other than
        0 to 125, which are the command's own).
        """
        what = f"running {command[0]} in {pod}"
        query = [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", c) for c in command)]
        running = self._upgraded(ws_client.websocket_call, pod, "exec", query, what, _preload_content=False)
        try:
            running.run_forever(timeout=timeout_s)
            status = _status(running, what)
            said, complaint = (
                str(running.read_channel(channel)) for channel in (ws_client.STDOUT_CHANNEL, ws_client.STDERR_CHANNEL)
            )  # each for itself: they arrive in pieces, which end anywhere in a line
        finally:
            running.close()
            running.sock.shutdown()  # it leaves the socket open where the other side closed first
        if status is None or not 0 <= status <= (125 if any_status else 0):
            message = f"{said}{complaint}".strip() or f"it ended with status {status}"
            raise Refused(what=what, status=0, reason="CommandFailed", message=message)
        return said

    def converse(self, pod: str, container: str, command: list[str]) -> Any:
        """A command in a container with its standard input, output and error open: the client library's `WSClient`, in
        bytes, to be closed by the caller. Raises Refused or NotAllowed; not asked again when it breaks off.
        """
        channels = [(channel, "true") for channel in ("stdin", "stdout", "stderr")]
        query = [("container", container), *channels, *(("command", word) for word in command)]
        options = {"_preload_content": False, "capture_all": False, "binary": True}
        what = f"running {command[0]} in {pod}"
        return self._upgraded(ws_client.websocket_call, pod, "exec", query, what, **options)

    def forward(self, pod: str, port: int) -> socket.socket:
        """A connection to a pod's port through the API server. Raises Refused or NotAllowed."""
        query = [("ports", str(port))]
        what = f"a port-forward to {pod}"
        connection: socket.socket = self._upgraded(ws_client.portforward_call, pod, "portforward", query, what).socket(
            port
        )
        return connection

    def _upgraded(
        self, call: Callable[..., Any], pod: str, sub: str, query: list[tuple[str, str]], what: str, **options: Any
    ) -> Any:
        """A request to a pod that becomes a stream of its own, by one of the client library's two ways."""
        _, url, headers, _, _ = self._client.param_serialize(
            "GET", PODS.path(self.namespace, pod, sub), query_params=query, auth_settings=["BearerToken"]
        )
        headers = {name.lower(): value for name, value in headers.items()}
        try:
            return call(self._configuration, "GET", url, headers=headers, query_params=query, **options)
        except ApiException as error:
            raise refusal(what, *handshake(error)) from None

    def _answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        patch: str | None = None,
        what: str,
        busy_s: float | None = None,
    ) -> bytes:
        """`busy_s`: for so long an API server that answers, but not this, is asked again; None: as one that is away."""
        begin = time.monotonic()
        busy_s = self._away_at_most_s if busy_s is None else min(busy_s, self._away_at_most_s)
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                response = self._send(method, path, query, body, patch, _TIMEOUT_S)
                content = response.read()
                self._note_time(response.headers.get("Date"))
                if response.status < 400:
                    return content
                problem: Exception = refusal(what, response.status, content)
                if will_pass(response.status, content):
                    again_s = busy_s
                else:  # one that has just come back may not find its own parts yet: "range is full", of addresses
                    again_s = _SETTLES_S if response.status >= 500 and self.was_away(_SETTLES_S) else 0.0
            except urllib3.exceptions.SSLError as error:  # asking again does not help
                raise BackendFailure(
                    f"the API server at {self.server} cannot be trusted ({error}); "
                    "is the kubeconfig that of this cluster?"
                ) from None
            except (urllib3.exceptions.HTTPError, OSError) as error:
                self._unanswered_at = time.monotonic()
                problem = BackendFailure(f"the API server at {self.server} does not answer: {_short(error)}")
                again_s = self._away_at_most_s
            if time.monotonic() + pause_s > begin + again_s:
                raise problem
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Object | None,
        patch: str | None,
        timeout_s: tuple[float, float],
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "Content-Type": _PATCHES[patch] if patch else "application/json"}
        method, url, headers, _, _ = self._client.param_serialize(
            method,
            path,
            query_params=[(name, value) for name, value in (query or {}).items() if value],
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        # the client's own encoder would treat a patch as form data or encode it twice
        pool = self._client.rest_client.pool_manager
        response: urllib3.BaseHTTPResponse = pool.request(
            method,
            url,
            body=json.dumps(body).encode() if body is not None else None,
            headers=headers,
            timeout=urllib3.Timeout(connect=timeout_s[0], read=timeout_s[1]),
            retries=False,
            preload_content=False,
        )
        return response

    def _note_time(self, date: str | None) -> None:
        if date:
            self._ahead = parsedate_to_datetime(date) - datetime.now(UTC)


def _configuration(kubeconfig: Path | None, context: str | None) -> tuple[Any, str | None, str]:
    """What the client needs to know, the context's name (None: inside a cluster), and its own namespace."""
    configuration = client.Configuration()
    named = str(kubeconfig) if kubeconfig is not None else None
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=named, context=context, client_configuration=configuration, persist_config=False
        )
        contexts, current = config.list_kube_config_contexts(named)  # type: ignore[no-untyped-call]
        chosen = next((one for one in contexts if one["name"] == context), current)
        name, namespace = str(chosen["name"]), str(chosen["context"].get("namespace") or "default")
    except (config.ConfigException, OSError, TypeError, KeyError) as error:
        if kubeconfig is not None or context is not None:
            raise EnvironmentFailure(f"the kubeconfig {kubeconfig or ''} cannot be used: {error}") from None
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            message = f"there is no cluster to use ({error}); set KUBECONFIG, or choose a context with --context"
            raise EnvironmentFailure(message) from None
        try:
            namespace = _OWN_NAMESPACE.read_text().strip()
        except OSError:
            namespace = "default"
        return configuration, None, namespace
    return configuration, name, namespace


def _status(ended: Any, what: str) -> int | None:
    """A command's status; None: it has not ended. Raises Refused where it was not even started."""
    try:
        status: int | None = ended.returncode
    except (ValueError, KeyError, TypeError) as error:  # the library takes any failure for that of a command
        raise Refused(what=what, status=500, reason="InternalError", message=f"the node says: {error}") from None
    return status


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _named(obj: Mapping[str, Any]) -> str:
    metadata = obj.get("metadata") or {}
    return f"{obj.get('kind')} {metadata.get('name') or metadata.get('generateName') or ''}".strip()
