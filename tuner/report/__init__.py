"""What people read after a study: its data in one file, the provenance on the exported manifest, the report.

Lives here: turning a `Summary` into JSON and into pages. Does not live here: deciding anything about the results (that
is `tuner.front` and `tuner.study`), and telling anyone while the study runs (that is `tuner.record`).
Importing this package imports no plotting library.
"""
