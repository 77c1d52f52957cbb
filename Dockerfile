# syntax=docker/dockerfile:1
# The product in an image: built from the locked dependencies, run by a user without rights.

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all:
WORKDIR /src
COPY .ci/requirements.txt .ci/requirements-build.txt .ci/
# Dependencies first: this layer stays while only our own code changes.
RUN python -m venv /opt/limits && /opt/limits/bin/pip install --no-deps --require-hashes -r .ci/requirements.txt
RUN python -m venv /opt/build && /opt/build/bin/pip install --no-deps --require-hashes -r .ci/requirements-build.txt
COPY pyproject.toml README.md CHANGELOG.md ./
COPY limits limits
COPY tasks tasks
COPY sql sql
COPY tests/cases tests/cases
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheel \
    && /opt/limits/bin/pip install --no-index --no-deps /wheel/*.whl

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /var/lib/limits --shell /usr/sbin/nologin limits \
    && install --directory --owner=limits --group=limits --mode=0700 /var/lib/limits-seal
COPY --from=build /opt/limits /opt/limits
ENV PATH=/opt/limits/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LIMITS_HOME=/var/lib/limits \
    NUMBA_CACHE_DIR=/var/lib/limits/compiled
USER limits
WORKDIR /var/lib/limits
# The forecast is compiled here, before VOLUME, so that every new volume starts with a copy. On a kind of
# processor that is not this one's the first worker compiles it once more, into its volume.
RUN python -c 'from limits.capacity import warm; warm()'
VOLUME /var/lib/limits
STOPSIGNAL SIGTERM
ENTRYPOINT ["limits"]
CMD ["--help"]
