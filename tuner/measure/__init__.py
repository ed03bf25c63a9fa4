"""What was learned: raw samples become numbers with confidence, and verdicts.

Here live the nouns (`samples`, `model`), the statistics of one load window (`window`), what they say about the SLO
(`slo`), the search for the highest rate that still meets it (`capacity`, `crossing`), when a measurement may end
(`stopping`), what disturbed it (`disturbance`), the common rate, what resources cost, and how far restarts of one
configuration differ (`noise`). What a command makes of its windows: `runs` and `soak` (stress), `paired` (compare),
`promise` (apply).

Pure arithmetic on numpy arrays: no clock, no socket, no process, no randomness, and no file but the histogram log that
`hdr` writes. Whoever sends the load or decides what to try next belongs elsewhere.
"""
