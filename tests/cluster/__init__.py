"""A real Kubernetes for the tests on one machine, behind `scripts/cluster` and `scripts/images`.

`__main__` chooses among three ways. The third is built here: `programs` compiles it, `machine` brings it up and down,
`control` is its control plane, `node` its nodes; `pki`, `network`, `cgroups` and `daemons` are what those stand on.
`golang` compiles what comes from published Go modules: Kubernetes, and in `argo` the controller of Workflows. `images`
builds the images of the project and of its servers; `fixture` hands all that to the tests.
Only the standard library is used, so that a bare machine's Python runs it.
"""
