"""What is best: the Pareto front among the candidates (`pareto`), and the choice of one of them (`choose`).

Pure arithmetic on metrics that were measured elsewhere. How candidates are measured, replicated and proposed, and how
a choice is exported, belongs to other rooms.
"""
