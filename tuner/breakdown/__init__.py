"""WHERE THE LATENCY WENT: the client's parts and the servers' own figures, side by side.

`components` takes a request's latency apart as the client saw it, `counters` holds what servers counted meanwhile,
`known_metrics` says which part of a request each metric of a known server is, and `waterfall` lays both side by side.
Pure arithmetic: the scrapes come from `load.control`.
"""
