"""A real MLServer with a model that doubles its inputs, where MLServer is installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuner.manifests.model import Container, ReadinessProbe
from tuner.space.model import LocalImage

BIN = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuner" / "tools" / "mlserver" / "bin"
"""Where `scripts/benchmark/tool mlserver` puts it."""
_TWICE = """
from mlserver import MLModel, types
from mlserver.codecs import NumpyCodec

class Twice(MLModel):
    async def predict(self, payload):
        outputs = [NumpyCodec.encode_output(f"y{i}", 2 * NumpyCodec.decode_input(each)) for i, each in enumerate(payload.inputs)]
        return types.InferenceResponse(model_name=self.name, outputs=outputs)
"""

needs_mlserver = pytest.mark.skipif(
    not (BIN / "mlserver").exists(), reason="no MLServer here: scripts/benchmark/tool mlserver"
)


def twice(folder: Path, **port: int) -> tuple[LocalImage, Container]:
    """The model ``twice``, written to `folder`: what is run, and a container with HTTP on port 8080 and this other."""
    (folder / "twice.py").write_text(_TWICE)
    (folder / "model-settings.json").write_text('{"name": "twice", "implementation": "twice.Twice"}')
    container = Container(
        name="server",
        image="example/mlserver:1",
        env={"MLSERVER_PARALLEL_WORKERS": "0", "PYTHONPATH": str(folder)},
        ports=(("http", 8080), *port.items()),
        probe=ReadinessProbe(http_path="/v2/models/twice/ready", port=8080),
        requests={"cpu": "100m", "memory": "256Mi"},
        limits={"cpu": "2", "memory": "1Gi"},
    )
    return LocalImage(command=(str(BIN / "mlserver"), "start", "."), folder=folder), container
