"""A small controller of the tests: does for custom resources what their operators do, as far as a tuner can see.

`loop` reconciles; `scorer` says what would be made of a resource of the tests' own, `others` what operators make that do not
run here. What they leave out (ingresses, autoscalers, webhooks, storage) is not seen by whoever deploys one model and asks
it. No code of an operator's is here: names, labels, ports, variables and conditions were read in their sources.
"""

from tests.cluster.standin.loop import StandIn

__all__ = ["StandIn"]
