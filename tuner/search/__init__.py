"""What is believed of configurations that nobody tried, and which of them is worth a trial.

A model of our own for this field: few trials, each dear and noisy, a space of valid configurations that can be listed,
metrics that span orders of magnitude, a cost that is known beforehand. Pure arithmetic on observations (`model`) and a
search space: nothing here knows how a trial is run, stored or shown, and nothing here imports Optuna. The study's loop
asks (`tuner.study`), and its confirmation races the leaders by what is believed here.
"""
