"""A model whose price a batch shares: a perceptron of two hidden layers, whose weights are read once a batch.

The weights are drawn from a fixed seed. What it tells of a picture means nothing; what it costs is that of a real one:
one picture needs all the weights from memory, as many pictures do together.
"""

from itertools import pairwise

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

PIXELS, NEURONS, DIGITS = 64, 2048, 10


class Perceptron(MLModel):
    async def load(self) -> bool:
        generator = np.random.default_rng(0)
        sizes = (PIXELS, NEURONS, NEURONS, DIGITS)
        self._layers = [
            generator.standard_normal((before, after), dtype=np.float32) * np.float32(np.sqrt(2.0 / before))
            for before, after in pairwise(sizes)
        ]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        values = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32).reshape(-1, PIXELS)
        for weights in self._layers[:-1]:
            values = np.maximum(values @ weights, 0.0)
        digits = np.argmax(values @ self._layers[-1], axis=1).reshape(-1, 1)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("digit", digits)])
