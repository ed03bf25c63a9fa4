"""Which configuration is tried next, and what the whole study found.

Here live the loop (`loop.Study`), the advisor over Optuna with its named samplers (`advisor`, `samplers`), Optuna's
store (`store`), and the fold of a journal into a summary (`summary`, `candidates`). This is the only room that knows
Optuna, and it imports it where it is used.

Nothing here knows where trials run, how they are hit, or who is told: the loop is given a function that runs a trial,
and recorders. Nothing here prints.
"""
