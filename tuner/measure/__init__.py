"""What was learned: raw samples become numbers with confidence, and verdicts.

Here live the statistics of one load window (`window`, over `steady`, `quantiles` and `correlation`), what they say
about the SLO (`slo`), the search for the highest rate that still meets it (`capacity`, `knee`), the common rate
(`common_rate`), what resources cost (`cost`) and how far restarts of one configuration differ (`noise`).
What a command makes of its windows: `starts` of one server together (bench), `runs` and `soak` (stress), `paired`
(compare), `promise` (apply).
`components` says where a request's latency went as the client saw it, `counters` and `known_metrics` what servers counted
meanwhile, and `waterfall` lays both side by side.

Pure arithmetic on numpy arrays: no clock, no socket, no process, no randomness, and no file but the histogram log that
`hdr` writes. Whoever sends the load or decides what to try next belongs elsewhere.
"""
