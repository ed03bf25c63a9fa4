"""The search-space file: its keys as pydantic models, read with every mistake told by file and line.

`read` is the way in. The models (`models`, on `values`) are the one place that knows the keys: they read the file, and
the JSON Schema for editors and the key tables of the documentation come out of them (`schema`). What pydantic refuses
is told by `mistakes`; what holds between keys is checked in `parameters` and `workload`. Nothing outside this package
sees pydantic, and `tuner.load` imports nothing of it.
"""
