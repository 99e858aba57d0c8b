# The gateway: no models, no weights, no GPU. Build from the root of the checkout:
#   docker build -f deploy/docker/gateway.Dockerfile .
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS dependencies
COPY requirements/gateway.lock gateway.lock
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r gateway.lock

FROM ${PYTHON_IMAGE}
COPY --from=dependencies /opt/venv /opt/venv
WORKDIR /opt/conch
COPY conch conch
COPY gateway gateway
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONPATH=/opt/conch \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# A volume of catalogues begins as this folder; triton.Dockerfile has the same user.
RUN useradd --uid 10001 --create-home conch && install --directory --owner conch /state/catalogues
USER conch

EXPOSE 8020 8021
ENTRYPOINT ["python", "-m", "gateway"]
