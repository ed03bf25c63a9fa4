"""A small controller of the tests: does for custom resources what their operators do, as far as a tuner can see.

`loop` reconciles, one module a kind says what its operator would make: `seldon` and `kserve` after the real ones,
`scorer` for a resource of the tests' own. What they leave out (ingresses, autoscalers, webhooks, storage) is not seen
by whoever deploys one model and asks it. No code of an operator's is here: names, labels, ports, variables and
conditions were read in their sources and compared once with what the real operator made.
"""

from tests.cluster.standin.loop import StandIn

__all__ = ["StandIn"]
