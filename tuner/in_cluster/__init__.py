"""The tuner itself as pods of a cluster: `tune run --in-cluster`, and what the steps of a Workflow share with it.

`inputs` is what travels with a study, `pods` how its pods run, `job` the objects of one that runs without Argo, and
`running` starts those and follows them to their end.
"""
