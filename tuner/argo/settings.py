"""What is asked of a Workflow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    name: str
    """Of the Workflow (the template, the CronWorkflow), and what its other objects are called after."""
    namespace: str
    """Where it runs, and where its trials run."""
    image: str
    """Of the tuner."""
    schedule: str | None = None
    """Cron syntax: a CronWorkflow; None: once, or when it is submitted."""
    timezone: str | None = None
    template: bool = False
    """A WorkflowTemplate."""
    claim: str | None = None
    """A PersistentVolumeClaim that is there, for the studies; None: each run has one of its own."""
    storage: str = "1Gi"
    """Size of a run's own claim."""
    artifacts: str | None = None
    """Key in Argo's artifact repository under which the results are kept; None: nowhere."""
    tracking_uri: str | None = None
    """MLflow's store; None: nothing is recorded there."""
    secret: str | None = None
    """A Secret whose keys are variables of every step but the report; of that too, where the study is in a database."""
    workers: int = 0
    """So many pods run the trials of a study that is kept in a database; 0: the study's own pod does, on a claim."""
    apply_to: str | None = None
    """Namespace that what was found is applied to; None: it is not."""
    approve: bool = False
    """Somebody has to agree before it is applied."""
    run_options: tuple[str, ...] = ()
    """Further words for `tune run`."""
    patch_executor: bool = True
    """Give Argo's own containers the security context that ``restricted`` asks for."""

    @property
    def work(self) -> str:
        """Folder of the studies, in every step."""
        return "/work/studies"

    @property
    def accounts(self) -> dict[str, str]:
        """Service accounts by who has them."""
        return {who: f"{self.name}-{who}" for who in ("study", "report", "apply")}
