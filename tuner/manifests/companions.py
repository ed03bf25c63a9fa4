"""Containers that are known to stand beside a model server: what they do for it is not serving the model."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

_IMAGES: Mapping[str, tuple[str, ...]] = {
    "a side-car of a service mesh": (
        *("istio/proxyv2", "istio/*", "*/proxyv2", "linkerd/*", "*/linkerd2-proxy", "proxy-init"),
        *("envoyproxy/*", "envoy", "*-envoy", "consul-dataplane", "consul-envoy", "dapr*", "daprd", "kuma-dp"),
    ),
    "Knative's queue": ("queue-proxy", "knative.dev/serving/cmd/queue", "*/queue-*"),
    "a proxy to a database": ("cloud-sql-proxy", "cloudsql-docker/*", "gce-proxy", "alloydb-auth-proxy", "pgbouncer*"),
    "a proxy that checks who asks": (
        "kube-rbac-proxy",
        "oauth2-proxy",
        "oauth-proxy",
        "ose-oauth-proxy",
        "opa",
        "security-proxy",
    ),
    "an agent for secrets": ("vault*", "secrets-store*", "secret-agent*", "aws-secrets*", "conjur*"),
    "a collector of logs": ("fluent-bit*", "fluentd*", "filebeat*", "promtail*", "vector", "logstash*", "*-logger"),
    "a collector of traces or metrics": (
        *("opentelemetry-collector*", "otel*", "jaeger*", "zipkin*", "datadog*", "*/agent/datadog", "newrelic*"),
        *(
            "*-exporter",
            "*_exporter",
            "dcgm-exporter*",
            "dcgm",
            "node-exporter*",
            "prometheus*",
            "statsd*",
            "telegraf*",
        ),
        *("grafana*", "alertmanager*", "pushgateway*", "kube-state-metrics*", "cadvisor*", "thanos*"),
        *("config-reloader", "configmap-reload", "k8s-sidecar"),
    ),
    "a fetcher of models": (
        *(
            "storage-initializer*",
            "model-fetcher*",
            "git-sync*",
            "aws-cli",
            "cloud-sdk*",
            "google-cloud-cli*",
            "rclone",
        ),
        *("gcs-fuse*", "gcsfuse*", "*-csi-*", "model-initializer*", "s3-sync*", "gcsfuse-sidecar*", "gcs-fuse-csi*"),
    ),
    "an operator's agent": ("kserve/agent", "kserve/router", "aibrix/runtime", "llm-d-routing-sidecar"),
    "a store": (
        *("redis*", "valkey*", "keydb*", "memcached*", "postgres*", "postgresql*", "pgvector*", "mysql*", "mariadb*"),
        *(
            "mongo",
            "mongo-*",
            "mongodb*",
            "cassandra*",
            "elasticsearch*",
            "opensearch*",
            "etcd*",
            "zookeeper*",
            "kafka*",
        ),
        *("rabbitmq*", "nats*", "minio*", "milvus*", "qdrant*", "weaviate*", "chroma*", "neo4j*", "influxdb*"),
        *(
            "clickhouse*",
            "cockroach*",
            "dgraph*",
            "couchdb*",
            "arangodb*",
            "vespa*",
            "nfs-*",
            "redis-stack*",
            "xtrabackup",
        ),
    ),
    "a web server or a page": (
        *("nginx*", "httpd", "haproxy*", "traefik*", "caddy*", "kong*", "apisix*", "*-ui", "*-ui-server", "*-frontend"),
        *("open-webui*", "gradio*", "streamlit*", "jupyter*", "*-notebook", "code-server*"),
    ),
    "a tool": (
        *(
            "busybox*",
            "alpine*",
            "curl*",
            "kubectl*",
            "pause*",
            "debian",
            "ubuntu*",
            "locust*",
            "k6*",
            "hey",
            "fortio*",
        ),
    ),
}
"""By what they are, the last parts of their images' repositories, ``*`` for any letters."""

ANSWERING = frozenset({"a web server or a page", "a tool"})
"""Those that may answer HTTP requests all the same, where there is nothing else that does."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "a side-car of a service mesh": ("istio-proxy", "linkerd-proxy", "envoy", "envoy-sidecar", "daprd", "consul-*"),
    "Knative's queue": ("queue-proxy",),
    "a proxy to a database": ("cloud-sql-proxy", "cloudsql-proxy"),
    "a proxy that checks who asks": ("kube-rbac-proxy", "oauth2-proxy", "oauth-proxy"),
    "an agent for secrets": ("vault-agent*",),
    "a collector of logs": ("fluent-bit", "fluentd", "filebeat", "promtail"),
    "a collector of traces or metrics": ("otel-*", "*-exporter", "opentelemetry-*", "jaeger-agent", "prometheus"),
    "a fetcher of models": ("storage-initializer", "gke-gcsfuse-sidecar", "git-sync", "model-downloader"),
    "Seldon's orchestrator": ("seldon-container-engine",),
}
"""By the container's own name, where operators and injectors always give the same one."""


def companion(image: str, name: str) -> str | None:
    """What a container with that image and name is, in words, if it is known not to serve a model."""
    folder, slash, last = image.partition("@")[0].rpartition("/")
    parts = f"{folder}{slash}{last.partition(':')[0]}".lower().split("/")
    for what, patterns in _IMAGES.items():
        for pattern in patterns:
            wanted = pattern.split("/")
            if len(parts) >= len(wanted) and all(map(fnmatchcase, parts[-len(wanted) :], wanted)):
                return what
    return next((what for what, names in _NAMES.items() if any(fnmatchcase(name, one) for one in names)), None)
