"""Live pods, whoever made them: what is wrong with them, where they answer, what they are, use and write.

`watch` is asked by everything that waits for a workload; `diagnosis`, `capacity` and `readback` are pure.
"""
