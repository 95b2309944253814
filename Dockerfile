FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# A compiler, as new as Debian has it for the base; it ends with this stage.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y -q --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements requirements
# `--build-arg LOCK=opentelemetry` adds the exporter for traces.
ARG LOCK=run
# A lock is complete: pip resolves nothing, then checks that nothing is missing. It stays outside the environment; the
# test suites that libraries bring along stay out of the image, and so do the headers of pyarrow and its Flight, which
# nobody speaks here; what reads buckets stays.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install -q --no-deps --require-hashes --only-binary :all: -r "requirements/$LOCK.txt" \
    && pip --python /venv/bin/python check \
    && find /venv \( -name tests -o -path '*/pyarrow/include' \) -type d -prune -exec rm -rf {} + \
    && find /venv/lib/*/site-packages/pyarrow -regex '.*/\(lib\)?\(arrow\)?\(_python\)?_flight\..*' -delete
RUN python -m venv --without-pip /venv-build \
    && pip --python /venv-build/bin/python install -q --no-deps --require-hashes --only-binary :all: -r requirements/build.txt \
    && pip --python /venv-build/bin/python check
COPY pyproject.toml pyproject.toml
COPY setup.py setup.py
COPY app app
RUN /venv-build/bin/python setup.py -q build_ext --inplace \
    && rm app/core/kernels/*.[ch] \
    && python -m compileall -q --invalidation-mode unchecked-hash app

FROM python:3.13-slim
# The base has no bytecode of the standard library, and nothing may be written later: this takes a second off the start.
# Nothing but jobs, where a volume is mounted for their database: it takes the owner of this folder.
RUN python -m compileall -q -j 0 -x site-packages /usr/local/lib/python3.13 \
    && install -d -o 65532 -g 65532 /srv/data
# One BLAS thread: the service runs requests side by side itself, and more threads would only fight over the cores. One
# worker for each CPU that the container may use. Whoever publishes the port decides who reaches it, so the service asks
# for no key by itself; it says so when it starts.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1 SURPRISAL_WORKERS=0 \
    SURPRISAL_OPEN=1
WORKDIR /srv
COPY --from=build /venv /venv
COPY --from=build /build/app app
USER 65532:65532
EXPOSE 8000
STOPSIGNAL SIGTERM
# http.client, for urllib would follow a proxy named in the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --start-interval=0.5s --retries=3 \
    CMD ["python", "-IS", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "-m", "app", "--host", "0.0.0.0", "--port", "8000"]
