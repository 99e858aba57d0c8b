"""The real gateway as a process that can be killed, with models that hear tones.

python -m tests.bridge.hearing PORT
"""

import asyncio
import sys

from conch.clients.inprocess import InProcessInference
from conch.contracts.specs import MODELS
from gateway.addresses import Addresses
from gateway.app import Gateway
from gateway.settings import Settings
from tests.gateway.conftest import intent, piper, vad, whisper


async def main(port: str) -> None:
    settings = Settings(grpc_address=f"127.0.0.1:{port}", http_address="127.0.0.1:0", drain_notice_s=0.0)
    functions = {"whisper": whisper, "vad": vad, "intent": intent, "piper": piper}
    listening: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    await Gateway(settings, InProcessInference(functions, MODELS)).serve(asyncio.Event(), listening)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
