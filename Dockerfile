# Two images from one source, both for a non-root user and a read-only root file system.
#
#   --target tune   the command line and all it needs; mount a writable folder on /work
#   --target load   the load generator alone (`python -m tuner.load`): numpy, uvloop and this project
#
#   buildah build --build-arg BASE=python:3.12-slim --target load --tag tuner-load:0.1.0 .
#
# BASE is any image with Python 3.12 and pip. All packages are pinned, with hashes, in requirements/.
ARG BASE=python:3.12-slim

# The bytecode of Python's standard library: official images lack it, and who is not root cannot keep it, so that each
# start would compile 150 modules anew. In a stage of its own, of which nothing else is left.
FROM ${BASE} AS bytecode
RUN library=$(python -c 'import os; print(os.path.dirname(os.__file__))') \
 && python -m compileall -q -x '/(test|lib2to3|site-packages)/' "$library" \
 && mkdir /bytecode \
 && tar -c $(find "$library" -name __pycache__ -not -path '*/site-packages/*') | tar -x -C /bytecode

FROM ${BASE} AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# The project as a wheel; what builds it stays behind.
FROM base AS wheel
WORKDIR /source
COPY requirements/build.lock requirements/
RUN python -m pip install --require-hashes --requirement requirements/build.lock
COPY LICENSE README.md pyproject.toml ./
COPY tuner tuner
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# The project in a layer of its own, the same for both: an edit of ours makes nothing else anew.
FROM base AS project
COPY --from=wheel /wheels /wheels
RUN python -m venv --without-pip /opt/tuner \
 && python -m pip --python /opt/tuner/bin/python install --no-deps --no-index /wheels/*.whl

FROM base AS tune-packages
COPY requirements/tune.lock /requirements/
RUN python -m venv --without-pip /opt/tuner \
 && python -m pip --python /opt/tuner/bin/python install --require-hashes --requirement /requirements/tune.lock

# The generator imports nothing but numpy and uvloop, and a test holds it to that.
FROM base AS load-packages
COPY requirements/load.lock /requirements/
RUN python -m venv --without-pip /opt/tuner \
 && python -m pip --python /opt/tuner/bin/python install --require-hashes --requirement /requirements/load.lock

FROM ${BASE} AS load
COPY --from=bytecode /bytecode /
COPY --from=load-packages /opt/tuner /opt/tuner
COPY --from=project /opt/tuner /opt/tuner
ENV PATH=/opt/tuner/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["python", "-m", "tuner.load"]

FROM ${BASE} AS tune
COPY --from=bytecode /bytecode /
COPY --from=tune-packages /opt/tuner /opt/tuner
COPY --from=project /opt/tuner /opt/tuner
ENV PATH=/opt/tuner/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["tune"]
CMD ["--help"]
