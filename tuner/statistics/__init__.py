"""Statistics without a word of the domain: quantiles, correlation, trend, steady state, Student's t.

Each says its source. Pure functions of numpy arrays: what the numbers mean is known in `measure`.
"""
