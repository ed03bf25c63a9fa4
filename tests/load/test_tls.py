"""TLS against real sockets, with an authority of the test's own: what is trusted, what is not, what is said then."""

from __future__ import annotations

import ssl
from pathlib import Path

import numpy as np
import pytest

from tests.load.authority import Authority
from tests.load.sending import closed, constant, load, one_window, run, statuses, workload_of
from tests.load.servers import CLOSING, Server
from tuner.errors import GeneratorFailure, Where
from tuner.load.control.exchange import exchange
from tuner.load.model import Request, Target, Tls, Unanswered
from tuner.load.process.local import LocalGenerator
from tuner.load.requests import problems, secured, target, tls
from tuner.load.tls import context
from tuner.measure.samples import Status
from tuner.workload.model import Bearer, TlsSpec, WorkloadSpec

REQUEST = Request(method="POST", path="/api/v1.0/predictions", headers={}, body=b'{"data": {"ndarray": [[1]]}}')
BOTH = "DNS:localhost,DNS:model.example,IP:127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> ssl.SSLContext:
    return authority.context(BOTH)


@pytest.fixture
def trusting(authority: Authority) -> Tls:
    return Tls(authorities=authority.certificate.read_text())


def to(url: str, trusted: Tls, token: str = "") -> Target:
    return Target(urls=(url,), protocol="seldon", requests=(REQUEST,), tls=trusted, token=token)


@pytest.mark.parametrize("stage", [constant(), closed()])
def test_a_window_over_tls(certificate: ssl.SSLContext, trusting: Tls, stage: object) -> None:
    with Server(tls=certificate) as server:
        first, second = run(to(server.url, trusting), stage, stage)  # type: ignore[arg-type]
    assert set(statuses(first)) == set(statuses(second)) == {200}
    assert (first.connects, second.connects) == (4, 0)
    assert first.connect_s is not None
    assert second.connect_s is not None
    made = np.isfinite(first.connect_s)
    assert made.sum() == 4
    assert first.waited[made].all()
    assert (first.connect_s[made] > 0).all()
    assert (first.sent_s[made] - first.scheduled_s[made] >= first.connect_s[made] - 1e-6).all()
    assert np.isnan(second.connect_s).all()


def test_connections_that_the_server_closes_are_made_anew_each_time(certificate: ssl.SSLContext, trusting: Tls) -> None:
    samples = one_window(Server(CLOSING, close=True, tls=certificate), to, constant(rate=100), trusted=trusting)
    assert statuses(samples) == {200: 25}
    assert samples.connect_s is not None
    assert np.isfinite(samples.connect_s).all()


def test_what_a_connection_takes_is_told_without_tls_too() -> None:
    samples = one_window(Server(), to, constant(), trusted=Tls())
    assert samples.connect_s is not None
    assert np.isfinite(samples.connect_s).sum() == samples.connects


@pytest.mark.parametrize("stage", [constant(rate=100), closed(duration=0.1)])
@pytest.mark.parametrize("fault", ["authority", "name", "expired"])
def test_a_certificate_that_is_not_to_be_trusted(
    authority: Authority, certificate: ssl.SSLContext, trusting: Tls, stage: object, fault: str
) -> None:
    served = {
        "authority": certificate,
        "name": authority.context("DNS:other.example"),
        "expired": authority.context(BOTH, days=-1),
    }[fault]
    trusted = Tls() if fault == "authority" else trusting
    with Server(tls=served) as server:
        (samples,) = run(to(server.url, trusted), stage)  # type: ignore[arg-type]
        with pytest.raises(Unanswered, match="certificate is not trusted: ") as told:
            exchange(server.url, REQUEST, 5.0, trusted)
    assert set(statuses(samples)) == {Status.UNTRUSTED}
    assert np.isnan(samples.sent_s).all()
    assert server.requests == []
    words = {"authority": "self-signed|local issuer", "name": "mismatch|not valid for", "expired": "expired"}
    told.match(words[fault])
    assert told.value.final  # nobody needs to wait for it to get better


def test_the_name_may_be_another_than_the_address(authority: Authority, trusting: Tls) -> None:
    asked: list[str | None] = []
    served = authority.context("DNS:model.example")
    served.sni_callback = lambda connection, name, context: asked.append(name)
    named = Tls(authorities=trusting.authorities, server_name="model.example")
    with Server(tls=served) as server:
        (samples,) = run(to(server.url, named), constant(connections=1))
        assert exchange(server.url, REQUEST, 5.0, named).status == 200
    assert statuses(samples) == {200: 50}
    assert asked == ["model.example"] * 2


def test_the_host_is_asked_for_by_its_name(certificate: ssl.SSLContext, trusting: Tls) -> None:
    asked: list[str | None] = []
    certificate.sni_callback = lambda connection, name, context: asked.append(name)
    with Server(tls=certificate) as server:
        (samples,) = run(to(server.url.replace("127.0.0.1", "localhost"), trusting), constant(connections=1))
    assert statuses(samples) == {200: 50}
    assert asked == ["localhost"]


def test_a_server_that_speaks_no_tls(trusting: Tls) -> None:
    with Server(b"what?\r\n\r\n") as server:
        url = server.url.replace("http", "https")
        (samples,) = run(to(url, trusting), constant(rate=50, timeout=0.3))
        with pytest.raises(Unanswered, match=r"TLS|timed out|EOF|reset"):
            exchange(url, REQUEST, 0.3, trusting)
    assert set(statuses(samples)) <= {Status.CONNECT_FAILED, Status.TIMED_OUT}


def test_a_server_that_speaks_only_tls(certificate: ssl.SSLContext) -> None:
    with Server(tls=certificate) as server:
        (samples,) = run(to(server.url.replace("https", "http"), Tls()), constant(rate=50))
    assert set(statuses(samples)) <= {Status.MALFORMED, Status.CONNECTION_LOST}


def test_a_server_that_is_gone(certificate: ssl.SSLContext, trusting: Tls) -> None:
    with Server(tls=certificate) as server:
        url = server.url
    (samples,) = run(to(url, trusting), constant())
    assert set(statuses(samples)) == {Status.CONNECT_FAILED}


def test_the_generator_in_its_own_process_gets_authorities_and_token(
    authority: Authority, certificate: ssl.SSLContext, trusting: Tls
) -> None:
    with (
        Server(tls=certificate) as server,
        Server(tls=authority.context("DNS:other.example")) as other,
        LocalGenerator(to(server.url, trusting, token="abc.def")) as generator,
    ):
        assert generator.ask(server.url, REQUEST, 5.0).status == 200
        with pytest.raises(Unanswered, match="not valid for") as refused:
            generator.ask(other.url, REQUEST, 5.0)
        samples = generator.run(constant())
        arguments = Path(f"/proc/{generator.pid}/cmdline").read_bytes()
    assert refused.value.final
    assert statuses(samples) == {200: 50}
    assert all(b"\r\nAuthorization: Bearer abc.def\r\n" in request for request in server.requests)
    assert b"abc" not in arguments


def test_the_token_goes_to_the_target_alone(trusting: Tls) -> None:
    with Server() as mine, Server() as other, LocalGenerator(to(mine.url, trusting, token="abc")) as generator:
        generator.ask(other.url, REQUEST, 5.0)
    assert b"Authorization" not in other.requests[0]


def test_a_token_takes_the_place_of_a_header() -> None:
    request = Request(method="GET", path="/", headers={"authorization": "Basic eA=="}, body=b"")
    with Server() as server:
        run(Target(urls=(server.url,), protocol="seldon", requests=(request,), token="abc"), constant(rate=20))
        exchange(server.url, request, 5.0, token="abc")
    for sent in server.requests:
        assert sent.lower().count(b"authorization") == 1
        assert b"Bearer abc\r\n" in sent


def workload(tmp_path: Path, **changes: object) -> WorkloadSpec:
    return workload_of(tmp_path, REQUEST.body, protocol="seldon", **changes)


def test_a_workload_over_tls(authority: Authority, tmp_path: Path) -> None:
    spec = workload(tmp_path, tls=TlsSpec(ca=authority.certificate, server_name="a"))
    assert tls(spec) == Tls(authorities=authority.certificate.read_text().strip(), server_name="a")
    assert secured(("http://h:1", "https://h:2"), spec) == ("https://h:1", "https://h:2")
    assert secured(("http://h:1",), workload(tmp_path)) == ("http://h:1",)
    assert problems(spec, Where(file="space.yaml")) == ()
    assert context(tls(spec)).verify_mode == ssl.CERT_REQUIRED


def test_a_bundle_of_authorities_with_names_between_them(authority: Authority, tmp_path: Path) -> None:
    bundle, one = tmp_path / "bundle.pem", authority.certificate.read_bytes()
    bundle.write_bytes("# Főtanúsítvány\n".encode() + one + b"\xff\n\n" + one)
    spec = workload(tmp_path, tls=TlsSpec(ca=bundle))
    assert problems(spec, Where(file="space.yaml")) == ()
    assert tls(spec).authorities.count("BEGIN CERTIFICATE") == 2
    assert len(context(tls(spec)).get_ca_certs()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_authorities_that_are_none(tmp_path: Path, content: bytes) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(content)
    (problem,) = problems(workload(tmp_path, tls=TlsSpec(ca=ca)), Where(file="space.yaml"))
    assert str(ca) in str(problem)
    assert "PEM" in problem.fix


def test_a_token_from_the_environment_and_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = Where(file="space.yaml", line=7)
    by_env = workload(tmp_path, auth=Bearer(env="A_TOKEN_OF_A_TEST", where=where))
    file = tmp_path / "token"
    by_file = workload(tmp_path, auth=Bearer(file=file, where=where))
    for spec, words in ((by_env, "A_TOKEN_OF_A_TEST.* is not set"), (by_file, "token cannot be read")):
        (problem,) = problems(spec, Where(file="space.yaml"))
        assert problem.where == where
        with pytest.raises(GeneratorFailure, match=words):  # it was there when the study began
            target(("http://h:1",), spec, ())
    monkeypatch.setenv("A_TOKEN_OF_A_TEST", "abc==")
    file.write_text("xyz\n")
    for spec, token in ((by_env, "abc=="), (by_file, "xyz")):
        assert problems(spec, where) == ()
        made = target(("http://h:1",), spec, ())
        assert made.token == token
        assert token not in repr(made)
    file.write_text("new")  # files of tokens are renewed
    assert target(("http://h:1",), by_file, ()).token == "new"


@pytest.mark.parametrize("token", ["", " \n", "Bearer s3cret", "s3cret\r\nX: y", "'s3cret'", "s3crét"])
def test_a_token_that_is_none_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    file = tmp_path / "token"
    file.write_text(token)
    (problem,) = problems(workload(tmp_path, auth=Bearer(file=file, where=Where(file="f"))), Where(file="f"))
    assert "s3cr" not in str(problem)
    assert "token" in str(problem)


def test_from_a_shell(authority: Authority, certificate: ssl.SSLContext, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    with Server(tls=certificate) as server:
        given = ("--url", server.url, "--rate", "50/s", "--duration", "200ms")
        done = load(*given, "--ca", str(authority.certificate), "--token-file", str(tmp_path / "token"))
        refused = load(*given)
        unset = load(*given, "--token-env", "NOT_SET_IN_A_TEST")
    assert done.returncode == 0, done.stderr
    assert '"errors": {}' in done.stdout
    assert b"Authorization: Bearer abc" in server.requests[0]
    assert "untrusted" in refused.stdout or "certificate" in refused.stdout
    assert unset.returncode == 2
    assert "NOT_SET_IN_A_TEST" in unset.stderr
