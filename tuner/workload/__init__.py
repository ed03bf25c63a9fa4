"""HOW IT IS TO BE HIT: protocol, requests, arrivals, shapes, traces, and what a correct answer is.

The nouns (`model`), the spellings that users write (`shapes`, `length`, `json_path`), traces and the arithmetic of a
rate that changes (`trace`, `intensity`), and how options change what a search space says (`arrivals`). Nothing here
sends anything, and the load generator, which uses it, imports nothing heavier for it than numpy.
"""
