"""What the operator of Seldon Core 1.17 makes of a SeldonDeployment with one predictor.

A Deployment for each componentSpec, a Service for each container of the graph, and the predictor's Service: in front of
the orchestrator, or of the model where ``seldon.io/no-engine`` is true. Unlike the real orchestrator, which looks into
messages and walks a graph, the one here hands bytes on; and its probe does not wait for 20 s.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from tests.cluster.standin.loop import Object, Operator, available, condition, deployment, service

ENGINE = "seldon-container-engine"
HTTP, GRPC, METRICS, ENGINE_HTTP, ENGINE_GRPC = 9000, 9500, 6000, 8000, 5001
_CONDITIONS = {
    "AmbassadorMappingsReady": "No Ambassador Mappaings defined",
    "HpasReady": "No HPAs defined",
    "KedaReady": "No KEDA resources defined",
    "PdbsReady": "No PDBs defined",
    "ServicesReady": "All services created",
    "istioVirtualServicesReady": "No VirtualServices defined",
}
_FORWARD = """
import asyncio, sys

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

async def accept(reader, writer):
    try:
        there = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

async def main():
    async with await asyncio.start_server(accept, "0.0.0.0", int(sys.argv[1])) as server:
        await server.serve_forever()

asyncio.run(main())
"""
_PODINFO = "seldon-podinfo"


def operator(engine_image: str) -> Operator:
    """`engine_image`: any image with a python3."""
    return Operator(
        api_version="machinelearning.seldon.io/v1",
        plural="seldondeployments",
        made=lambda found: _made(found, engine_image),
        status=_status,
    )


def _made(found: Object, engine_image: str) -> list[Object]:
    name, predictor = found["metadata"]["name"], found["spec"]["predictors"][0]
    direct = _is_direct(predictor)
    key = f"{name}-{predictor['name']}"
    if not _has_model(predictor):
        return []
    made: list[Object] = []
    front = (ENGINE_HTTP, ENGINE_GRPC)
    role = {f"seldon.io/{predictor['graph'].get('type', 'MODEL').lower()}": "true"}
    counted = 0
    for index, component in enumerate(predictor.get("componentSpecs") or ()):
        pod = copy.deepcopy(component.get("spec") or {})
        labels = {"seldon-deployment-id": name, "seldon-app": key}
        for container in pod.get("containers") or ():
            ports = {port.get("name"): port["containerPort"] for port in container.get("ports") or ()}
            http, grpc = ports.get("http", HTTP + counted), ports.get("grpc", GRPC + counted)
            counted += 1
            if container["name"] in _units(predictor["graph"]):
                its_service = f"{key}-{container['name']}"
                labels[f"seldon-app-svc-{container['name']}"] = its_service
                _fill(container, found, predictor, http, grpc)
                of_container = {f"seldon-app-svc-{container['name']}": its_service}
                its_labels = {**of_container, **role, "seldon-app": key, "seldon-deployment-id": name}
                made.append(_service(its_service, its_labels, of_container, http, grpc, predictor))
                front = (http, grpc) if direct else front
        if not direct and index == 0:
            model = next(c for c in pod["containers"] if c["name"] == predictor["graph"]["name"])
            pod["containers"].append(_engine(found, predictor, engine_image, _port(model, "http")))
        volumes = pod.setdefault("volumes", [])
        items = [{"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}]
        volumes.append({"name": _PODINFO, "downwardAPI": {"items": items}})
        pod.setdefault("terminationGracePeriodSeconds", 20)
        names = "-".join(container["name"] for container in component["spec"]["containers"])
        made.append(_deployment(f"{key}-{index}-{names}", found, predictor, component, labels, pod))
    in_front = {"seldon-app": key}
    its_labels = {**in_front, **(role if direct else {}), "seldon-deployment-id": name}
    made.append(_service(key, its_labels, in_front, *front, predictor))
    return made


def _deployment(
    name: str, found: Object, predictor: Object, component: Object, selector: dict[str, str], pod: Object
) -> Object:
    metadata = component.get("metadata") or {}
    given = {**(predictor.get("labels") or {"version": predictor["name"]}), **(metadata.get("labels") or {})}
    labels = {
        **selector,
        "app": name,
        "fluentd": "true",
        "app.kubernetes.io/managed-by": "seldon-core",
        f"seldon.io/{predictor['graph'].get('type', 'MODEL').lower()}": "true",
        **given,
    }
    annotations = {
        **(found["spec"].get("annotations") or {}),
        **(predictor.get("annotations") or {}),
        **(metadata.get("annotations") or {}),
    }
    scraped = {"prometheus.io/path": "/prometheus", "prometheus.io/scrape": "true", **annotations}
    with_engine = any(container["name"] == ENGINE for container in pod["containers"])
    replicas = (component.get("replicas"), predictor.get("replicas"), found["spec"].get("replicas"))
    own_labels = {**labels, **({"seldon-deployment-contains-svcorch": "true"} if with_engine else {})}
    return deployment(
        {"name": name, "labels": own_labels, "annotations": annotations},
        strategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
        replicas=next((number for number in replicas if number is not None), 1),
        selector={"matchLabels": selector},
        template={"metadata": {"labels": labels, "annotations": scraped}, "spec": pod},
    )


def _fill(container: Object, found: Object, predictor: Object, http: int, grpc: int) -> None:
    """What the operator adds to a container of the graph; what is there already stays."""
    ports = container.setdefault("ports", [])
    there = {port.get("name") for port in ports}
    wanted = (("metrics", METRICS), ("http", http), ("grpc", grpc))
    ports += [{"name": name, "containerPort": n, "protocol": "TCP"} for name, n in wanted if name not in there]
    env = container.setdefault("env", [])
    named = {entry["name"] for entry in env}
    labels = json.dumps(predictor.get("labels") or {"version": predictor["name"]}, separators=(",", ":"))
    added = {
        "PREDICTIVE_UNIT_SERVICE_PORT": http,
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": http,
        "MLSERVER_HTTP_PORT": http,
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": grpc,
        "MLSERVER_GRPC_PORT": grpc,
        "PREDICTIVE_UNIT_ID": container["name"],
        "MLSERVER_MODEL_NAME": container["name"],
        "PREDICTIVE_UNIT_IMAGE": container.get("image", ""),
        "PREDICTOR_ID": predictor["name"],
        "PREDICTOR_LABELS": labels,
        "SELDON_DEPLOYMENT_ID": found["metadata"]["name"],
        "SELDON_EXECUTOR_ENABLED": "true",
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": _port(container, "metrics"),
        "PREDICTIVE_UNIT_METRICS_ENDPOINT": "/prometheus",
        "MLSERVER_METRICS_PORT": _port(container, "metrics"),
        "MLSERVER_METRICS_ENDPOINT": "/prometheus",
    }
    env += [{"name": name, "value": str(value)} for name, value in added.items() if name not in named]
    container.setdefault("volumeMounts", []).append({"name": _PODINFO, "mountPath": "/etc/podinfo"})
    probe = {"tcpSocket": {"port": http}, "initialDelaySeconds": 20, "periodSeconds": 5}
    container.setdefault("readinessProbe", probe)
    container.setdefault("livenessProbe", {**probe, "initialDelaySeconds": 60})
    container.setdefault("lifecycle", {"preStop": {"exec": {"command": ["/bin/sh", "-c", "/bin/sleep 10"]}}})


def _engine(found: Object, predictor: Object, image: str, model_port: int) -> Object:
    asked = predictor.get("svcOrchSpec") or {}
    usual = {"cpu": "500m", "memory": "512Mi"}
    return {
        "name": ENGINE,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _FORWARD],
        "args": [str(ENGINE_HTTP), str(model_port)],
        "env": [
            {"name": "REQUEST_LOGGER_DEFAULT_ENDPOINT", "value": "http://default-broker"},
            *(asked.get("env") or ()),
            *({"name": name, "value": value} for name, value in _engine_env(found, asked)),
        ],
        "ports": [
            {"name": "http", "containerPort": ENGINE_HTTP, "protocol": "TCP"},
            {"name": "grpc", "containerPort": ENGINE_GRPC, "protocol": "TCP"},
        ],
        "resources": asked.get("resources") or {"requests": usual, "limits": usual},
        "readinessProbe": {"tcpSocket": {"port": ENGINE_HTTP}, "periodSeconds": 1},
        "volumeMounts": [{"name": _PODINFO, "mountPath": "/etc/podinfo"}],
    }


def _engine_env(found: Object, asked: Object) -> list[tuple[str, str]]:
    """Annotations of the specification such as seldon.io/engine-log-level become variables of the orchestrator."""
    prefix, named = "seldon.io/engine-", {entry["name"] for entry in asked.get("env") or ()}
    variables = [
        (key.removeprefix(prefix).replace("-", "_").upper(), value)
        for key, value in sorted((found["spec"].get("annotations") or {}).items())
        if key.startswith(prefix) and key != "seldon.io/engine-separate-pod"
    ]
    return [(name, value) for name, value in variables if name not in named]


def _service(
    name: str, labels: dict[str, str], selector: dict[str, str], http: int, grpc: int, predictor: Object
) -> Object:
    ports = [
        {"name": which, "port": number, "targetPort": number, "protocol": "TCP"}
        for which, number in (("http", http), ("grpc", grpc))
    ]
    labels = {**labels, "app.kubernetes.io/managed-by": "seldon-core"}
    metadata = {"name": name, "labels": labels, "annotations": predictor.get("annotations") or {}}
    return service(metadata, selector, ports, type="ClusterIP")


def _status(found: Object, deployments: Sequence[Object]) -> Object:
    """No generation is told: the operator of 1.x never does."""
    name, namespace = found["metadata"]["name"], found["metadata"]["namespace"]
    predictor, before = found["spec"]["predictors"][0], (found.get("status") or {}).get("conditions") or ()
    if not _has_model(predictor):
        why = "engine not separate and no pu with localhost service - not clear where to inject engine"
        return {"state": "Failed", "description": why}
    ready = bool(deployments) and all(map(available, deployments))
    reason = "MinimumReplicasAvailable" if ready else "MinimumReplicasUnavailable"
    conditions = [
        condition("DeploymentsReady", ready, reason, before),
        *(condition(kind, True, why, before) for kind, why in _CONDITIONS.items()),
        condition("Ready", ready, reason, before),
    ]
    key = f"{name}-{predictor['name']}"
    port = _front(found)
    status: Object = {
        "state": "Available" if ready else "Creating",
        "replicas": sum((one.get("status") or {}).get("replicas", 0) for one in deployments),
        "deploymentStatus": {
            one["metadata"]["name"]: {
                which: number
                for which in ("replicas", "availableReplicas")
                if (number := (one.get("status") or {}).get(which))
            }
            for one in deployments
        },
        "address": {"url": f"http://{key}.{namespace}.svc.cluster.local:{port}/api/v1.0/predictions"},
        "conditions": sorted(conditions, key=lambda one: str(one["type"])),
    }
    return status


def _front(found: Object) -> int:
    """Port of the predictor's Service."""
    in_front = _made(found, "none")[-1]
    port: int = in_front["spec"]["ports"][0]["port"]
    return port


def _is_direct(predictor: Object) -> bool:
    return str((predictor.get("annotations") or {}).get("seldon.io/no-engine")).lower() == "true"


def _has_model(predictor: Object) -> bool:
    """Whether the graph names one of the containers."""
    components = predictor.get("componentSpecs") or ()
    names = {container["name"] for component in components for container in component["spec"]["containers"]}
    return predictor["graph"]["name"] in names


def _units(graph: Object) -> set[str]:
    return {graph["name"]}.union(*(_units(child) for child in graph.get("children") or ()))


def _port(container: Object, name: str) -> int:
    found: Any = next(port["containerPort"] for port in container["ports"] if port.get("name") == name)
    return int(found)
