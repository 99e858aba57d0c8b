"""Users of the gRPC face, who call as applications do: with our client library."""

import itertools
import time
from collections.abc import Callable

import grpc.experimental.gevent
from locust import User, task

from benchmarks.locust.callers import TEXTS, THINK, next_tenant
from conch import Client, ConchError, Retries
from conch.clients.inference import text_column

# Locust's users are greenlets; without it the first of them that waits for gRPC stops all.
grpc.experimental.gevent.init_gevent()


class GrpcUser(User):
    wait_time = THINK

    def on_start(self) -> None:
        self.tenant, key = next_tenant()
        # What a server refuses shall count, not what trying again makes of it.
        self.conch = Client(self.environment.parsed_options.grpc_address, api_key=key, retries=Retries(attempts=1))
        self.texts = itertools.cycle(TEXTS)

    def on_stop(self) -> None:
        self.conch.close()

    @task(4)
    def understand(self) -> None:
        self._timed("Understand", lambda: self.conch.understand(next(self.texts)))

    @task(4)
    def infer(self) -> None:
        self._timed("ModelInfer intent", lambda: self.conch.infer("intent", {"text": text_column(next(self.texts))}))

    @task(2)
    def embed(self) -> None:
        self._timed("Embed", lambda: self.conch.embed([next(self.texts), next(self.texts)]))

    def _timed(self, name: str, call: Callable[[], object]) -> None:
        start = time.perf_counter()
        failed: ConchError | None = None
        try:
            call()
        except ConchError as error:
            failed = error
        self.environment.events.request.fire(
            request_type="gRPC",
            name=f"{self.tenant}: {name}",
            response_time=(time.perf_counter() - start) * 1000,
            response_length=0,
            exception=failed,
            context={},
        )
