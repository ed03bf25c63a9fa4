"""A study as a Workflow of Argo: text for ``kubectl apply``, made without asking a cluster.

`steps` is what its pods do, `pods` what it says of them, `rights` what they may, and `workflow` all of it together. What a
step does is a command of `tune`: nothing here runs in a cluster, and no other room knows of Argo but `record.share_file`,
which tells its executor how far a study is.

Field semantics are those of Argo Workflows 3.6 to 4.1; only schedules as a list (3.6) and the cap of a back-off (4.0) are
younger than 3.4.
"""
