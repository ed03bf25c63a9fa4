"""The NetworkPolicies that let load through to trials' pods, as YAML with their reasons in comments.

For namespaces that forbid all that is not allowed: policies add up, so these take nothing away. Only text is made here.
"""

from __future__ import annotations

from tuner.backends.kubernetes.rights.table import Load

_TRIALS = "    matchExpressions:\n      - {key: tuner.dev/trial, operator: Exists}\n"
_LOADS = '    matchLabels: {tuner.dev/load: "true"}\n'


def policies(namespace: str, name: str, load: Load) -> str:
    """To be given to ``kubectl apply``."""
    if load == "here":
        return (
            f"# Load from where tune runs, which is no pod of this namespace: from anywhere, to trials' pods alone.\n"
            f"# Narrow it with `from: [{{ipBlock: {{cidr: ...}}}}]` to the address that the pods see.\n"
            f"{_head(namespace, f'{name}-load')}  podSelector:\n{_TRIALS}  policyTypes: [Ingress]\n  ingress:\n    - {{}}\n"
        )
    return (
        f"# Load from the load generator's pod to trials' pods, whatever their port.\n"
        f"{_head(namespace, f'{name}-load')}  podSelector:\n{_TRIALS}  policyTypes: [Ingress]\n  ingress:\n"
        f'    - from:\n        - podSelector: {{matchLabels: {{tuner.dev/load: "true"}}}}\n'
        "---\n"
        "# The same from the load generator's side, where pods may not send what is not allowed. It needs no name server.\n"
        f"{_head(namespace, f'{name}-load-generator')}  podSelector:\n{_LOADS}  policyTypes: [Egress]\n  egress:\n"
        "    - to:\n        - podSelector:\n            matchExpressions:\n"
        "              - {key: tuner.dev/trial, operator: Exists}\n"
    )


def _head(namespace: str, name: str) -> str:
    metadata = f"metadata:\n  name: {name}\n  namespace: {namespace}\nspec:\n"
    return f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{metadata}"
