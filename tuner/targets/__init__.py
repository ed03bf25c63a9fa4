"""WHAT `tune bench`, `tune stress` AND `tune compare` ARE POINTED AT: a URL, a manifest, a search space or a study.

A system under test (`model`) is served as often as it is asked for. What is deployed (`deployed`) starts anew each
time, as a trial does, and is gone when it is left; a server behind a URL (`remote`) is somebody else's and is only
spoken to. `named` finds the one that a user names, and `workload` says how it is loaded: what the options say, else
what its search space does. `inputs` reads and checks all that a search space names, before anything is deployed.
"""
