"""MLflow's model registry: a chosen configuration as a version of a model of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tuner.record.mlflow.tags import STUDY_ID, TRIAL

if TYPE_CHECKING:
    from mlflow import MlflowClient


def register(
    client: MlflowClient, name: str, run_id: str, folder: str, tags: Mapping[str, str], description: str
) -> str:
    """Make a `folder` of a run's artifacts a version of the registered model `name`, which is made where it is not
    there; returns the version. Of one trial of one study (`tags`) there is one version."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name, description="Configurations of a server, each chosen by a measured study.")
    for known in client.search_model_versions(f"run_id = '{run_id}'"):
        if known.name == name and all(known.tags.get(key) == tags[key] for key in (STUDY_ID, TRIAL)):
            return str(known.version)
    # not runs:/..., which the first versions of MLflow 3 look for in their default store
    source = f"{client.get_run(run_id).info.artifact_uri}/{folder}"
    made = client.create_model_version(
        name, source, run_id, tags=dict(tags), description=description, await_creation_for=0
    )
    return str(made.version)
