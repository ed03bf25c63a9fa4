"""A first search space, from a look at a manifest: what can vary there, and around which values.

`choice` decides which workload and container it is for, `parameters` and `resources` what may vary of them, `traffic`
how they are asked, and `proposal` writes it down.
"""

from __future__ import annotations

from tuner.manifests.survey.proposal import Proposal, propose

__all__ = ["Proposal", "propose"]
