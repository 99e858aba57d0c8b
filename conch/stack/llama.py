"""`python -m conch.stack.llama MODEL.gguf HOST:PORT NAME`: llama.cpp's server of OpenAI's calls, until it is ended.

One thread, two answers at a time; who comes then waits.
"""

import signal
import sys

import xllamacpp

THREADS = 1
ANSWERS_AT_ONCE = 2
CONTEXT_TOKENS = 2048
"""Of one answer: prompt, earlier turns, and what is answered."""
MOST_TOKENS = 512
"""Of an answer, whatever the caller allows."""
TIMEOUT_S = 60
ERRORS_ALONE = 1


def parameters(model: str, address: str, name: str) -> xllamacpp.CommonParams:
    host, _, port = address.rpartition(":")
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {name}
    params.hostnames = [host]
    params.port = int(port)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    params.n_parallel = ANSWERS_AT_ONCE
    params.n_ctx = ANSWERS_AT_ONCE * CONTEXT_TOKENS
    params.n_predict = MOST_TOKENS
    params.timeout_read = params.timeout_write = TIMEOUT_S
    # Memory that grows with what is asked, and faces that tell of it, have no use here.
    params.cache_ram_mib = 0
    params.endpoint_slots = False
    params.ui = False
    params.verbosity = ERRORS_ALONE
    return params


def main() -> None:
    ended = {signal.SIGTERM, signal.SIGINT}
    # Before the server starts threads, which then leave both signals to this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)
    server = xllamacpp.Server(parameters(*sys.argv[1:]))
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait(ended)


if __name__ == "__main__":
    main()
