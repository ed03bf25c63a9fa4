"""How a server of so many workers and threads answers: closed forms of queueing theory, without a word of the domain.

Capacity by the universal scalability law (Gunther, *Guerrilla Capacity Planning*, 2007), waiting by Sakasegawa's
approximation of the M/G/c queue (*An approximation formula Lq = a rho^b / (1 - rho)*, 1977), service times lognormal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One replica: `servers` places at which requests are served, together at most `capacity_rps`."""

    capacity_rps: float
    service_s: float
    """Mean, of a request that has the station for itself."""
    spread: float = 1.0
    """Squared coefficient of variation of the service time: 0 fixed, 1 that of an exponential one."""

    @property
    def servers(self) -> float:
        """That many requests are in service when it is busy: Little's law. Not less than one."""
        return max(1.0, self.capacity_rps * self.service_s)

    def latency_s(self, rate_rps: float, quantile: float) -> float:
        """Of the response time at this rate; infinite from the capacity on.

        The quantiles of waiting and of service are added, which is a little too much.
        """
        busy = rate_rps / self.capacity_rps
        if busy >= 1.0:
            return math.inf
        servers = self.servers
        service_s = servers / self.capacity_rps
        waits = busy ** (math.sqrt(2.0 * (servers + 1.0)) - 1.0)
        """Share of the requests that wait at all."""
        mean_s = (1.0 + self.spread) / 2.0 * service_s / (servers * (1.0 - busy))
        waiting_s = mean_s * math.log(waits / (1.0 - quantile)) if waits > 1.0 - quantile else 0.0
        sigma = math.sqrt(math.log(1.0 + self.spread))
        return waiting_s + service_s * math.exp(sigma * NormalDist().inv_cdf(quantile) - sigma**2 / 2.0)

    def highest_rate(self, quantile: float, bound_s: float) -> float:
        """The highest rate at which the latency's quantile keeps the bound; 0: none."""
        if self.latency_s(0.0, quantile) > bound_s:
            return 0.0
        low, high = 0.0, self.capacity_rps
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if self.latency_s(middle, quantile) <= bound_s else (low, middle)
        return low


def scaled(lanes: float, serial: float, crosstalk: float) -> float:
    """What `lanes` that work beside each other do, in terms of one: the universal scalability law."""
    return lanes / (1.0 + serial * (lanes - 1.0) + crosstalk * lanes * (lanes - 1.0))
