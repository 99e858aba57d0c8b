"""WhisperLive's server with our weights: run by benchmarks/voice_streams.py in WhisperLive's own environment.

    python whisper_live_server.py PORT FOLDER serial|batching

Its back end faster_whisper, one model for all clients, as its own run_server.py starts it for a model of one's own:
clients take turns, with a beam of 5. With `batching` what several clients wait for is computed together, greedily. It
computes with as many threads as there are cores; of itself it would with four, which two cores pay for dearly.
"""

import logging
import os
import sys

os.environ["OMP_NUM_THREADS"] = str(os.cpu_count())

from whisper_live.server import TranscriptionServer

if __name__ == "__main__":
    _, port, folder, mode = sys.argv
    logging.disable(logging.WARNING)
    TranscriptionServer().run(
        "127.0.0.1",
        port=int(port),
        backend="faster_whisper",
        faster_whisper_custom_model_path=folder,
        single_model=True,
        batch_enabled=mode == "batching",
        # Nobody is turned away: whom it cannot bear shows in the latencies.
        max_clients=100,
        batch_max_queue_wait_s=600.0,
        batch_max_admissions_per_s=1000.0,
    )
