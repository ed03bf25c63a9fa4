"""What servers tell of themselves, in the published format, by how many requests they have served so far."""

from __future__ import annotations

from collections.abc import Sequence


def histogram(name: str, labels: str, observed: Sequence[float], bounds: Sequence[float], typed: bool = True) -> str:
    """One series; `labels` as they are written, without braces."""
    comma = "," if labels else ""
    lines = [f"# HELP {name} Written by hand.", f"# TYPE {name} histogram"] if typed else []
    lines += [
        f'{name}_bucket{{{labels}{comma}le="{bound:g}"}} {sum(one <= bound for one in observed)}' for bound in bounds
    ]
    lines.append(f'{name}_bucket{{{labels}{comma}le="+Inf"}} {len(observed)}')
    lines += [f"{name}_sum{{{labels}}} {sum(observed)!r}", f"{name}_count{{{labels}}} {len(observed)}"]
    return "\n".join(lines) + "\n"


def counter(name: str, labels: str, value: float) -> str:
    return f"# HELP {name} Written by hand.\n# TYPE {name} counter\n{name}{{{labels}}} {value!r}\n"


GO_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PREDICTOR = 'deployment_name="iris",predictor_name="default",predictor_version=""'


def executor(n: int, total_s: float = 0.008, call_s: float = 0.007) -> str:
    """Seldon Core 1.x's orchestrator: requests, its calls to the model, and the probes of its graph."""
    server = f'code="200",{_PREDICTOR},method="post",service="predictions"'
    status = f'code="200",{_PREDICTOR},method="get",service="status"'
    client = (
        f'code="200",{_PREDICTOR},method="post",model_image="iris",model_name="classifier",model_version="0.1.0",'
        'service="/predict"'
    )
    return (
        "# TYPE go_goroutines gauge\ngo_goroutines 14\n"
        "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.7e+09\n"
        + histogram("seldon_api_executor_server_requests_seconds", server, [total_s] * n, GO_BOUNDS)
        + histogram("seldon_api_executor_server_requests_seconds", status, [3.0] * n, GO_BOUNDS, typed=False)
        + histogram("seldon_api_executor_client_requests_seconds", client, [call_s] * n, GO_BOUNDS)
        + "# TYPE seldon_api_executor_server_requests_seconds_summary summary\n"
        + f"seldon_api_executor_server_requests_seconds_summary_sum{{{server}}} {total_s * n!r}\n"
        + f"seldon_api_executor_server_requests_seconds_summary_count{{{server}}} {n}\n"
    )


def microservice(n: int, seconds: float = 0.004, worker: int = 41) -> str:
    """seldon-core-microservice: what the model itself times, a series a worker process."""
    labels = (
        f'method="predict",deployment_name="iris",model_name="classifier",model_image="iris",model_version="0.1.0",'
        f'predictor_name="default",predictor_version="",worker_id="{worker}"'
    )
    return histogram("lookup", labels, [seconds] * n, (0.001, 0.00123, 0.0051, 0.0123, 30))


def mlserver(n: int, total_s: float = 0.006, infer_s: float = 0.005) -> str:
    """MLServer 1.x: REST with its probes, gRPC, inference and its queues."""
    infer = 'app_name="mlserver",method="POST",path="/v2/models/{model_name}/infer",status_code="200"'
    ready = 'app_name="mlserver",method="GET",path="/v2/health/ready",status_code="200"'
    return (
        histogram("rest_server_request_duration_seconds", infer, [total_s] * n, GO_BOUNDS)
        + histogram("rest_server_request_duration_seconds", ready, [9.0] * n, GO_BOUNDS, typed=False)
        + "# TYPE model_infer_request_duration summary\n"
        + f'model_infer_request_duration_count{{model="iris",version="None"}} {n}\n'
        + f'model_infer_request_duration_sum{{model="iris",version="None"}} {infer_s * n!r}\n'
        + counter("model_infer_request_success_total", 'model="iris",version="None"', n)
        + histogram("parallel_request_queue", 'workerpid="77"', [float(i % 3) for i in range(n)], (1, 2, 5))
    )


def mlserver_grpc(n: int, total_s: float = 0.003) -> str:
    method = 'grpc_method="ModelInfer",grpc_service="inference.GRPCInferenceService",grpc_type="UNARY"'
    other = 'grpc_method="ServerReady",grpc_service="inference.GRPCInferenceService",grpc_type="UNARY"'
    return (
        histogram("grpc_server_handling_seconds", method, [total_s] * n, GO_BOUNDS)
        + histogram("grpc_server_handling_seconds", other, [9.0] * n, GO_BOUNDS, typed=False)
        + counter("model_infer_request_success_total", 'model="iris",version="None"', n)
    )


def triton(n: int) -> str:
    """Triton Inference Server: counters in microseconds, one a model and GPU."""
    labels = 'model="resnet",version="1"'
    spent = {"request": 900, "queue": 200, "compute_input": 100, "compute_infer": 500, "compute_output": 50}
    return (
        counter("nv_inference_request_success", labels, n)
        + counter("nv_inference_request_failure", f'{labels},reason="OTHER"', 0)
        + counter("nv_inference_count", labels, n * 8)
        + "".join(counter(f"nv_inference_{name}_duration_us", labels, us * n) for name, us in spent.items())
        + f"# TYPE nv_inference_pending_request_count gauge\nnv_inference_pending_request_count{{{labels}}} 0\n"
    )


def vllm(n: int, engine: int = 0, model: str = "llama") -> str:
    labels = f'engine="{engine}",model_name="{model}"'
    spent = {
        "e2e_request_latency_seconds": 2.0,
        "request_queue_time_seconds": 0.25,
        "request_inference_time_seconds": 1.7,
        "request_prefill_time_seconds": 0.5,
        "request_decode_time_seconds": 1.2,
        "time_to_first_token_seconds": 0.8,
    }
    bounds = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0)
    return "".join(histogram(f"vllm:{name}", labels, [each] * n, bounds) for name, each in spent.items())


def queue_proxy(n: int, prefix: str = "revision_", total_ms: float = 12.0, app_ms: float = 9.0) -> str:
    """Knative's queue-proxy until 1.18: milliseconds."""
    labels = (
        'configuration_name="iris-predictor",container_name="queue-proxy",namespace_name="default",pod_name="iris-1",'
        'response_code="200",response_code_class="2xx",revision_name="iris-predictor-00001",service_name="iris-predictor"'
    )
    bounds = (5, 10, 20, 40, 60, 80, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000)
    return histogram(f"{prefix}request_latencies", labels, [total_ms] * n, bounds) + histogram(
        f"{prefix}app_request_latencies", labels, [app_ms] * n, bounds
    )


def queue_proxy_otel(n: int, total_s: float = 0.012, app_s: float = 0.009) -> str:
    """Knative's queue-proxy from 1.19 on: OpenTelemetry's names, seconds."""
    http = 'http_request_method="POST",http_response_status_code="200",otel_scope_name="otelhttp",url_scheme="http"'
    bounds = (0.005, 0.01, 0.025, 0.05, 0.1)
    return histogram("http_server_request_duration_seconds", http, [total_s] * n, bounds) + histogram(
        "kn_serving_invocation_duration_seconds", 'http_response_status_code="200"', [app_s] * n, bounds
    )


def kserve(n: int, model: str = "iris") -> str:
    """KServe's Python server; prometheus_client tells of each series when it began."""
    spent = {"preprocess": 0.001, "predict": 0.004, "explain": 0.0, "postprocess": 0.0005}
    text = ""
    for name, seconds in spent.items():
        observed = [seconds] * (0 if name == "explain" else n)
        text += histogram(f"request_{name}_seconds", f'model_name="{model}"', observed, GO_BOUNDS)
        text += f'# TYPE request_{name}_seconds_created gauge\nrequest_{name}_seconds_created{{model_name="{model}"}} 1.7e+09\n'
    return text
