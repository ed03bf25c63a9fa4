"""Where configurations run.

Here lives the seam every place to run implements (`model`: `Backend` deploys, `Running` is what was deployed) and one
package a place: `process` for this machine, `kubernetes` for a cluster. A backend starts, watches and stops what a
manifest says, reads back what really runs, and says what it could not enforce. How servers are put under load, what is
measured of their answers and which configuration comes next is none of its business. `tests/conformance/backend.py`
says what every backend must do.
"""
