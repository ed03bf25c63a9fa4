"""Is the manifest right (`document`, `fields`), and can the knobs be set in it as the search space says (`knobs`)?

Every problem at once, each with its line and what to do. Nothing is asked of a cluster.
"""
