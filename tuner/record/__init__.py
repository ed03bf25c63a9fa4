"""Who is told as a study goes on: MLflow and the console.

Lives here: recorders (`tuner.study.model.Recorder`) and what they need: the background thread that keeps a slow store
away from the study, the mask for secrets, the writing of what a store missed. A recorder may fail; the study goes on,
for the journal is the truth and `tune sync` writes from it what is missing.

Does not live here: anything that decides, measures or deploys; the HTML report; the choice of stdout or stderr.
Importing this package imports neither mlflow nor rich.
"""
