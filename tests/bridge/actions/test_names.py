import asyncio
import os
import socket
import threading

from bridge.actions.names import AT_ONCE, Names


async def test_an_address_of_this_machine_is_found():
    assert await Names().resolve("127.0.0.1", 80) == ["127.0.0.1"]


async def test_a_name_server_that_hangs_holds_up_no_other_thread(monkeypatch):
    answered = threading.Event()

    def hangs(*_args, **_more):
        answered.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    names = Names()
    asking = [asyncio.create_task(names.resolve("slow.example.com", 80)) for _ in range(4 * AT_ONCE)]
    try:
        # As many as asyncio's own threads, which carry audio to the disk.
        for _ in range(min(32, (os.cpu_count() or 1) + 4)):
            await asyncio.wait_for(asyncio.to_thread(lambda: None), 30)
        assert not any(one.done() for one in asking)
    finally:
        answered.set()
    assert await asyncio.gather(*asking) == [["127.0.0.1"]] * len(asking)
