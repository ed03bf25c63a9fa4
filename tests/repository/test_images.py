"""The Dockerfile, read: building it needs a base image, which not every machine has."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.repository.checkout import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def _stages() -> dict[str, str]:
    parts = re.split(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, flags=re.M)
    return dict(zip(parts[2::3], parts[3::3], strict=True))


def test_both_images_run_as_a_user_that_is_not_root() -> None:
    for target in ("load", "tune"):
        assert "USER 65532:65532" in _stages()[target]
        assert "ENTRYPOINT [" in _stages()[target]


def test_every_install_is_pinned_by_hash_or_is_the_project_itself() -> None:
    installs = re.findall(r"pip (?:--python \S+ )?install (.+)", DOCKERFILE)
    assert len(installs) == 4
    assert [line for line in installs if not line.startswith(("--require-hashes ", "--no-deps --no-index "))] == []


def test_what_is_copied_is_there_and_goes_to_the_builder() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]
    copied = [source for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M) for source in line.split()[:-1]]
    for source in copied:
        assert (ROOT / source).exists()
        assert any(source == pattern or (ROOT / source) in ROOT.glob(pattern) for pattern in sent)


def test_the_load_generator_needs_nothing_that_its_image_lacks() -> None:
    # -S would hide too much; what counts is which installed packages were really imported
    program = (
        "import sys, sysconfig; import tuner.load.__main__; "
        "site = sysconfig.get_paths()['purelib']; "
        "print(*sorted({n.split('.')[0] for n, m in list(sys.modules.items()) "
        "if (getattr(m, '__file__', None) or '').startswith(site)}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    packages = {name for name in done.stdout.split() if not name.startswith("_")}
    assert packages <= {"numpy", "uvloop"}
