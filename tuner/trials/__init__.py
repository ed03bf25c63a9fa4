"""ONE TRIAL'S LIFE: from a configuration to its outcome, and the journal that is the truth on disk.

`life` runs one trial: deploy, ready, verify, warm up, measure, take down; `serving` brings a server up and
`load_windows` puts it under load. `journal` writes what happened, line by line, fsynced, before anything else does.
Which configuration is tried next is not decided here, and nothing here knows Optuna, MLflow or the terminal.
"""
