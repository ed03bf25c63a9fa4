"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from tuner.errors import InputError, Mistake, Problem, Where

if TYPE_CHECKING:
    from tuner.space.model import Constraint
    from tuner.trials.database.connection import Database
    from tuner.trials.folder import StudyFolder
    from tuner.workload.model import Bearer

_PICKS = click.Choice(["knee", "throughput", "latency", "cost"])

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else, to stdout.")
log_format = click.option(
    "--log-format",
    type=click.Choice(["auto", "plain", "json"]),
    default="auto",
    show_default=True,
    help="Progress on stderr: a table in a terminal and lines elsewhere; lines; or a JSON object a line, as for CI.",
)
html_page = click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False, writable=True), help="Write a page with the result here."
)
best_manifest = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the best manifest here too."
)
parallel = click.option(
    "--parallel",
    type=click.IntRange(min=1),
    help="So many trials at a time: never two that are measured on one node of a cluster, or on one CPU of this machine.  "
    "[default: 1, of a study taken up as before]",
)
file_or_stdout = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    show_default=True,
    help="File to write; - is stdout.",
)
pick_again = click.option(
    "--pick", type=_PICKS, help="Choose again from the Pareto front by this.  [default: the study's own choice]"
)
_trial = click.option(
    "--trial", type=click.IntRange(min=0), help="This trial's configuration, whatever the front says."
)
_where = click.option(
    "--where",
    multiple=True,
    metavar="BOUND",
    help='Only configurations that meet this too, such as "latency_p99 <= 50ms". May be repeated.',
)
_backend = click.option(
    "--backend",
    type=click.Choice(["process", "kubernetes"]),
    default="process",
    show_default=True,
    help="Where trials run: as processes of this machine, or on a cluster.",
)
_study_backend = click.option(
    "--backend",
    type=click.Choice(["process", "kubernetes", "replay"]),
    default="process",
    show_default=True,
    help="Where trials run: as processes of this machine, or on a cluster; or what was measured before is told again.",
)
table = click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --backend replay: the table of what was measured (`tune record`), or a JSON file that names one.",
)
_namespace = click.option("--namespace", help="Where on the cluster.  [default: the kubeconfig's, or default]")
_context = click.option("--context", help="Which cluster of the kubeconfig.  [default: the current one]")
_DATABASE = "tuner.database"
"""Of a click context: the database that studies are kept in."""


def _place_of_studies(ctx: click.Context, _param: click.Parameter, text: str) -> Path:
    """The folder; of a database the one with the copies of its studies, on this machine."""
    if not text.startswith(("postgresql://", "postgres://")):
        return Path(text)
    from tuner.trials.database.connection import Database
    from tuner.trials.database.copies import folder_of

    ctx.meta[_DATABASE] = database = Database(text)
    ctx.call_on_close(database.close)
    return folder_of(database)


def database() -> Database | None:
    """Where this command's studies are kept; None: in a folder."""
    found: Database | None = click.get_current_context().meta.get(_DATABASE)
    return found


studies = click.option(
    "--studies",
    metavar="FOLDER|URL",
    default="studies",
    show_default=True,
    envvar="TUNE_STUDIES",
    callback=_place_of_studies,
    help="Folder the studies are kept in, or a database: postgresql://USER@HOST/DATABASE (also as $TUNE_STUDIES).",
)
pick = click.option(
    "--pick",
    type=_PICKS,
    default="knee",
    show_default=True,
    help="Which configuration of the Pareto front is the best one.",
)


def cluster(command: Callable[..., Any]) -> Callable[..., Any]:
    """--namespace and --context."""
    return _namespace(_context(command))


def backend(command: Callable[..., Any]) -> Callable[..., Any]:
    """--backend, and for a cluster --namespace and --context."""
    return _backend(cluster(command))


def study_backend(command: Callable[..., Any]) -> Callable[..., Any]:
    """--backend with replay and its --table, and for a cluster --namespace and --context."""
    return _study_backend(table(cluster(command)))


def choice(command: Callable[..., Any]) -> Callable[..., Any]:
    """--pick, --trial and --where: choose again from what was measured."""
    return pick_again(_trial(_where(command)))


def bounds(where: Sequence[str], option: str = "--where") -> tuple[Constraint, ...]:
    """The bounds given with an option. Raises InputError with all that cannot be read."""
    from tuner.space.bounds import parse_bound

    found, problems = [], []
    for text in where:
        try:
            found.append(parse_bound(text))
        except ValueError as error:
            problems.append(Problem.at(option, str(error), 'write it like "latency_p99 <= 50ms"'))
    if problems:
        raise InputError(problems)
    return tuple(found)


def space_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("space", type=click.Path(path_type=Path))(command)


class StudyName(click.ParamType[str]):
    """A study's name in the studies folder, or a path to its folder."""

    name = "study"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        from tuner.trials.folder import known

        root = Path(ctx.params.get("studies") or "studies")
        return [CompletionItem(name) for name in known(root, incomplete)]


class SamplerName(click.ParamType[str]):
    """What proposes; checked where it is made, which knows the search space."""

    name = "sampler"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        from tuner.study.names import SAMPLERS

        return [CompletionItem(name) for name in SAMPLERS if name.startswith(incomplete)]


def study_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("study", type=StudyName())(command)


def study_folder(study: str, studies: Path) -> StudyFolder:
    """A study given by name or path; of one in a database, the copy, brought up to date. Raises InputError that lists the
    studies there are."""
    from tuner.trials.folder import find

    if (kept := database()) is not None:
        from tuner.trials.database.copies import pull

        pull(kept, study, studies)
    try:
        return find(study, studies)
    except Mistake as error:
        raise InputError([error.at(Where(file=str(studies / study)))]) from None


def amount[T](read: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """Callback of options that take a quantity with a unit, read by a function that raises ValueError."""

    def callback(_ctx: click.Context, _param: click.Parameter, text: str | None) -> T | None:
        try:
            return None if text is None else read(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def in_unit(unit: str) -> Callable[[str], float]:
    """What reads a quantity of one of `tuner.space.metrics.Unit`."""

    def read(text: str) -> float:
        from tuner.units import metric_value

        return metric_value(unit, text)

    return read


def _duration(text: str) -> float:
    from tuner.units import seconds

    return seconds(text)


def _span(text: str) -> float:
    from tuner.units import span

    return span(text)


def sum_of_money(text: str) -> tuple[float, str | None]:
    """As ``5 USD``."""
    from tuner.units import money

    return money(text)


def _above_zero[T](read: Callable[[str], T], of: Callable[[T], float]) -> Callable[[str], T]:
    def checked(text: str) -> T:
        found = read(text)
        if of(found) <= 0.0:
            raise ValueError(f"{text!r} bounds nothing: write a value above 0, or leave the option out")
        return found

    return checked


duration = amount(_duration)
"""Callback of options that take a duration such as ``10m``."""
share = amount(in_unit("ratio"))
"""Of those that take a share such as ``1%``."""
time_budget = amount(_above_zero(_span, float))
"""Of those that bound a study's time."""
money_budget = amount(_above_zero(sum_of_money, lambda sum_: sum_[0]))
"""Of those that bound a study's money, such as ``5 USD``; the currency is None where none is written."""
load_rate = click.option(
    "--rate", "rate_rps", metavar="RATE", callback=amount(in_unit("rate")), help="Requests a second, such as 200/s."
)
_load_place = click.option(
    "--load",
    type=click.Choice(["cluster", "here"]),
    help="Send the load from a pod inside the cluster, or from this machine.  [default: cluster where its image runs]",
)
_load_image = click.option(
    "--load-image", metavar="IMAGE", help="The load generator's image.  [default: tuner-load:VERSION]"
)
_load_cpus = click.option(
    "--load-cpus",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="CPUs of the load generator in the cluster, an engine process on each.",
)


def load_from(command: Callable[..., Any]) -> Callable[..., Any]:
    """--load, --load-image and --load-cpus."""
    return _load_place(_load_image(_load_cpus(command)))


_SUBJECT = (
    backend,
    load_from,
    click.option(
        "--space",
        type=click.Path(path_type=Path, exists=True),
        help="Search space that says how a URL or manifest is loaded, and how a manifest is run here.  "
        "[default: of a manifest, the one beside it that names it]",
    ),
    _trial,
    studies,
    click.option(
        "--protocol",
        help="How the server is spoken to: http, seldon, v2, v2-grpc, ...  [default: the space's, or http]",
    ),
    click.option(
        "--body",
        "bodies",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="File with a request's body; several are drawn at random.  [default: the space's, or none]",
    ),
    click.option("--path", help="Path of the requests.  [default: the URL's or the protocol's]"),
    click.option(
        "--method",
        help="HTTP method  [default: the space's, else POST with a body and GET without], or package.Service/Method of "
        "the protocol grpc.",
    ),
    click.option(
        "--proto",
        metavar="FILE|URL",
        help="Protocol grpc: a .proto file, a descriptor set, or a server that tells its definitions.  [default: the "
        "space's, or the URL that is loaded]",
    ),
    click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="May be repeated."),
    click.option("--token-env", metavar="VARIABLE", help="Environment variable with a bearer token to send."),
    click.option(
        "--token-file", type=click.Path(path_type=Path, dir_okay=False), help="File with a bearer token to send."
    ),
    click.option(
        "--ca",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="Certificates (PEM) of the authorities to trust, for https.  [default: the system's]",
    ),
    click.option("--model", help="The model's name in the paths of v2 and tensorflow."),
    click.option(
        "--connections", type=click.IntRange(min=1), help="Most connections at once.  [default: the space's, or 32]"
    ),
    click.option(
        "--timeout",
        "timeout_s",
        metavar="DURATION",
        callback=duration,
        help="A request not answered within it is an error.  [default: the space's, or 5s]",
    ),
    click.option(
        "--ignore",
        multiple=True,
        metavar="JSONPATH",
        help="What may differ between right answers, such as $.request_id. May be repeated.  [default: the space's, and "
        "what differs between the first answers]",
    ),
    click.option("--seed", type=click.IntRange(min=0), help="Makes arrivals and payloads repeatable."),
    click.option(
        "--slo",
        multiple=True,
        metavar="BOUND",
        help='Bound to meet, such as "latency_p99 <= 50ms". May be repeated.  [default: the space\'s]',
    ),
)

_SAID = (
    *("backend", "namespace", "context", "load", "load_image", "load_cpus", "space", "trial", "studies"),
    *("protocol", "bodies", "path", "method", "proto", "model", "connections", "timeout_s", "seed", "ignore"),
)
"""Fields of `TargetOptions` that are given as they are."""


def system(command: Callable[..., Any]) -> Callable[..., Any]:
    """What says how a system is reached and loaded; the command gets it as `options`, a `TargetOptions`."""

    @wraps(command)
    def wrapped(**given: Any) -> Any:
        from tuner.targets.model import TargetOptions
        from tuner.workload.model import TlsSpec

        options = TargetOptions(
            **{name: given.pop(name) for name in _SAID},
            headers=_headers(given.pop("headers")),
            slo=bounds(given.pop("slo"), "--slo"),
            token=_token(given.pop("token_env"), given.pop("token_file")),
            tls=None if (ca := given.pop("ca")) is None else TlsSpec(ca=ca),
        )
        return command(**given, options=options)

    decorated: Callable[..., Any] = wrapped
    for option in reversed(_SUBJECT):
        decorated = option(decorated)
    return decorated


def _token(env: str | None, file: Path | None) -> Bearer | None:
    from tuner.workload.model import Bearer

    if env is not None and file is not None:
        raise InputError.at("--token-file", "there are two tokens", "leave --token-env out")
    if env is None and file is None:
        return None
    return Bearer(env=env, file=file, where=Where(file="--token-file" if env is None else "--token-env"))


def _headers(lines: Sequence[str]) -> Mapping[str, str]:
    problems, found = [], {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            message = f"no header of the form NAME: VALUE: {name!r}"
            problems.append(Problem.at("--header", message, "write it like 'Accept: application/json'"))
        found[name.strip()] = value.strip()
    if problems:
        raise InputError(problems)
    return found
