"""The page of a study: one file that says what was found, shows why, and tells how it was measured.

Lives here: what stands on that page, a part a module. Does not live here: how charts are drawn (`tuner.report.plot` and
its script), and deciding anything about the results.
"""
