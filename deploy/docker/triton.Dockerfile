# Triton with every model, for NVIDIA GPUs. The models, their code and their weights are part of the image: what is
# tested is what runs. Build from the root of the checkout:  docker build -f deploy/docker/triton.Dockerfile .
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:26.07-py3
FROM ${TRITON_IMAGE}

WORKDIR /opt/conch
ENV PYTHONPATH=/opt/conch \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# Into the image's own Python 3.12, the one its python back end runs.
COPY requirements/gpu.lock requirements/gpu.lock
RUN pip install --break-system-packages --no-deps --require-hashes -r requirements/gpu.lock

# Wheels bring the CUDA libraries that onnxruntime-gpu (13) and ctranslate2 (12) open by name.
ENV SITE=/usr/local/lib/python3.12/dist-packages
ENV LD_LIBRARY_PATH=${SITE}/nvidia/cu13/lib:${SITE}/nvidia/cudnn/lib:${SITE}/nvidia/cublas/lib:${SITE}/tensorrt_libs:${LD_LIBRARY_PATH}

COPY conch conch
COPY models.toml models.toml
COPY model_repository model_repository
COPY ensembles ensembles
COPY deploy/docker/fill_repository.py deploy/docker/fill_repository.py
RUN python3 deploy/docker/fill_repository.py /models gpu && rm -rf /root/.cache

# Kernels of recommendation, compiled once for any CPU: numba wants to be able to write where it reads them.
ENV NUMBA_CPU_NAME=generic \
    NUMBA_CPU_FEATURES="" \
    NUMBA_CACHE_DIR=/opt/kernels
RUN python3 -m conch.recommendation.warm

# Nothing here needs root; TensorRT keeps its engines in the home folder.
# A volume of catalogues begins as this folder; the gateway's user has the same number.
RUN useradd --uid 10001 --create-home conch && chown -R conch /models /opt/kernels \
    && install --directory --owner conch /state/catalogues
USER conch

EXPOSE 8000 8001 8002
