"""TensorFlow Serving."""

from __future__ import annotations

from tuner.manifests.servers.model import ModelName, Port, Server, ServerKnob
from tuner.manifests.servers.ranges import computing_threads, waiting_threads
from tuner.space.model import Choices

TENSORFLOW_SERVING = Server(
    name="TensorFlow Serving",
    source="tensorflow_model_server --help; tensorflow/serving/tools/docker",
    programs=("tensorflow_model_server", "tf_serving_entrypoint.sh"),
    images=("tensorflow/serving*", "tf-serving*", "tensorflow-serving*", "tfserving*"),
    known_as=("TENSORFLOW_SERVER", "kserve-tensorflow-serving*", "tensorflow"),
    protocol="tensorflow",
    http=Port(usual=8501, flags=("--rest_api_port",)),
    grpc=Port(usual=8500, flags=("--port",)),
    metrics_path="/monitoring/prometheus/metrics",
    health="/v1/models/MODEL",
    model=ModelName(flags=("--model_name",), variables=("MODEL_NAME",), usual="model"),
    takes_args=True,
    knobs=(
        ServerKnob(
            name="inter_op",
            targets=("args/--tensorflow_inter_op_parallelism",),
            domain=computing_threads,
            meaning="operations run at once, over all requests (default: CPUs)",
        ),
        ServerKnob(
            name="intra_op",
            targets=("args/--tensorflow_intra_op_parallelism",),
            domain=computing_threads,
            meaning="threads within one operation (default: CPUs)",
        ),
        ServerKnob(
            name="rest_threads",
            targets=("args/--rest_api_num_threads",),
            domain=waiting_threads,
            meaning="threads that handle REST requests (default: 4 a CPU)",
        ),
        ServerKnob(
            name="batching",
            targets=("args/--enable_batching",),
            domain=Choices(values=(False, True)),
            meaning="join requests into batches; pays only with --batching_parameters_file",
            proposed=False,
        ),
    ),
)
