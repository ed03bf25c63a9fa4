"""Ranks articles for a reader: FastAPI waits for a store, then numpy computes.

    POST /rank    {"reader": 42}  ->  {"articles": [17, 203, ...]}, the best ten
    GET  /ready   200

STORE_CONNECTIONS      look-ups in the store at one time, of each process; others wait for their turn
RANKING_THREADS        threads in which articles are scored, of each process; 0: the event loop does it itself

The store is played: a look-up takes as long as one over the network would, and no CPU. The weights come from a fixed
seed, so what is ranked means nothing; what it costs is that of a real one.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

LOOK_UP_S = 0.010
ARTICLES, FEATURES, NEURONS, BEST = 1000, 128, 256, 10


class Asked(BaseModel):
    reader: int


class Ranked(BaseModel):
    articles: list[int]


class Ranker:
    """A perceptron with one hidden layer over the product of a reader's features and each article's."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._articles = random.standard_normal((ARTICLES, FEATURES), dtype=np.float32)
        self._hidden = random.standard_normal((FEATURES, NEURONS), dtype=np.float32)
        self._out = random.standard_normal(NEURONS, dtype=np.float32)

    def best(self, reader: np.ndarray) -> list[int]:
        """(FEATURES,) of a reader to the numbers of the articles with the highest scores, best first."""
        scores = np.maximum((self._articles * reader) @ self._hidden, 0.0) @ self._out
        return [int(number) for number in np.argsort(-scores)[:BEST]]


class Store:
    """Where readers' features are kept, with so many connections to it."""

    def __init__(self, connections: int) -> None:
        self._free = asyncio.Semaphore(connections)

    async def reader(self, number: int) -> np.ndarray:
        async with self._free:
            await asyncio.sleep(LOOK_UP_S)
        return np.random.default_rng(number).standard_normal(FEATURES, dtype=np.float32)


app = FastAPI()
ranker = Ranker()
store = Store(int(os.environ.get("STORE_CONNECTIONS", "4")))
threads = int(os.environ.get("RANKING_THREADS", "0"))
pool = ThreadPoolExecutor(threads) if threads else None


@app.get("/ready")
async def ready() -> None:
    return None


@app.post("/rank")
async def rank(asked: Asked) -> Ranked:
    reader = await store.reader(asked.reader)
    if pool is None:
        return Ranked(articles=ranker.best(reader))
    loop = asyncio.get_running_loop()
    return Ranked(articles=await loop.run_in_executor(pool, ranker.best, reader))
