"""A server such as anyone has one: FastAPI, a model of a few numbers, and nothing that knows of the tuner."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Customer(BaseModel):
    age: float
    visits: list[float]


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/score")
def score(customer: Customer) -> dict[str, float]:
    return {"score": 0.01 * customer.age + sum(0.1 * visit for visit in customer.visits)}
