"""MLflow as a recorder.

Lives here: what a run holds (metrics, params, tags, notes, tables, pictures, pages), what the page of a study shows at
first sight, and the writing of all that. `recorder` says what is written when; `store` and `registry` alone use mlflow, and
import it where they do, for that takes seconds. The rest is pure.

Does not live here: what is chosen, and the words for it that the terminal shares (`tuner.record.wording`).
"""
