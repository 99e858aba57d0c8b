"""Triton from the nvidia-pytriton wheel: what starts it on this machine.

The build is for development and is bound to loopback: one large HTTP body can end it. Production runs NVIDIA's image.
"""

import os
import shutil
import stat
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conch.contracts.errors import Internal
from conch.contracts.identity import FORWARDED_PATTERN

HOST = "127.0.0.1"

CACHE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class TritonAddresses:
    """Each as host:port."""

    grpc: str
    http: str
    metrics: str


@dataclass(frozen=True, slots=True)
class TritonInstallation:
    """The wheel's server, with its back ends laid out as the server wants them."""

    server: Path
    backends: Path
    caches: Path
    libraries: Path

    @classmethod
    def prepare(cls, folder: Path) -> "TritonInstallation":
        """Lay the back ends out in `folder` (a few MB, safe to repeat)."""
        packages = Path(sysconfig.get_path("purelib"))
        wheel = packages / "pytriton" / "tritonserver"
        if not wheel.is_dir():
            raise Internal("nvidia-pytriton is not installed in this environment: pip install 'conch[stack]'")
        backend = folder / "python"
        backend.mkdir(parents=True, exist_ok=True)
        for source in (wheel / "backends" / "python").iterdir():
            _link(source, backend / source.name)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        _copy_executable(
            wheel / "python_backend_stubs" / version / "triton_python_backend_stub",
            backend / "triton_python_backend_stub",
        )
        server = wheel / "bin" / "tritonserver"
        server.chmod(server.stat().st_mode | stat.S_IXUSR)
        return cls(server, folder, wheel / "caches", packages / "nvidia_pytriton.libs")

    def command(
        self,
        repositories: Sequence[Path],
        addresses: TritonAddresses,
        *,
        shm_prefix: str,
        config_name: str | None = None,
        otlp_http: str = "",
        loads: Sequence[str] | None = None,
    ) -> list[str]:
        """Loads `loads` in explicit mode, None: all that `repositories` hold; `config_name` picks configs/<name>.pbtxt.

        `shm_prefix` begins the names of the stubs' regions in /dev/shm, so that they can be swept. `otlp_http` is where
        the server's own spans go, host:port; empty: nowhere.
        """
        arguments = [
            str(self.server),
            *(f"--model-repository={repository}" for repository in repositories),
            f"--backend-directory={self.backends}",
            f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
            f"--cache-directory={self.caches}",
            # Of answers, for models whose config asks for it: see docs/observability.md.
            f"--cache-config=local,size={CACHE_BYTES}",
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in (["*"] if loads is None else loads)),
            # Our configs are complete; to complete one, Triton starts the python stub once more before each load.
            "--disable-auto-complete-config",
            # One model that fails to load must not end those that do (and readiness is probed by inference).
            "--exit-on-error=false",
            "--strict-readiness=false",
            f"--grpc-header-forward-pattern={FORWARDED_PATTERN}",
            f"--http-header-forward-pattern={FORWARDED_PATTERN}",
            "--exit-timeout-secs=10",
            # The edge asks several times a second whether the server is still there.
            "--grpc-http2-max-ping-strikes=0",
        ]
        for name, address in (("grpc", addresses.grpc), ("http", addresses.http), ("metrics", addresses.metrics)):
            host, port = address.rsplit(":", 1)
            arguments += [f"--{name}-address={host}", f"--{name}-port={port}"]
        if config_name is not None:
            arguments.append(f"--model-config-name={config_name}")
        return [*arguments, *(_tracing(otlp_http) if otlp_http else [])]

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` and what the server and its python stubs need to find this interpreter and its packages."""
        libraries = [sysconfig.get_config_var("LIBDIR"), str(self.libraries), base.get("LD_LIBRARY_PATH", "")]
        return {
            **base,
            "LD_LIBRARY_PATH": os.pathsep.join(part for part in libraries if part),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), base.get("PATH", "")]),
            # The stubs do not heed it; see conch/rollout/bytecode.py.
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def _tracing(otlp_http: str) -> list[str]:
    """Every request's span, as the child of the caller's; 2.51 does not look whether that one is sampled."""
    settings = {
        "mode": "opentelemetry",
        "level": "TIMESTAMPS",
        "rate": "1",
        "opentelemetry,url": f"http://{otlp_http}/v1/traces",
        "opentelemetry,resource": "service.name=conch-triton",
        "opentelemetry,bsp_schedule_delay": "500",
    }
    return [f"--trace-config={name}={value}" for name, value in settings.items()]


def _link(source: Path, target: Path) -> None:
    if target.is_symlink() and target.resolve() == source.resolve():
        return
    target.unlink(missing_ok=True)
    target.symlink_to(source)


def _copy_executable(source: Path, target: Path) -> None:
    if not source.is_file():
        raise Internal(f"Triton's python back end has no stub for this Python: {source.parent.name}")
    if not target.is_file() or target.stat().st_size != source.stat().st_size:
        scratch = target.with_suffix(".part")
        shutil.copyfile(source, scratch)
        scratch.chmod(0o755)
        scratch.replace(target)
