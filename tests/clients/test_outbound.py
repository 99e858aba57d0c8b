import ipaddress
import ssl
from collections.abc import Sequence

import pytest

from conch.clients.allowed import Allowed
from conch.clients.outbound import Answer, Call, Outbound, Unreached
from conch.contracts import errors
from conch.contracts.errors import DeadlineExceeded, InvalidRequest, PermissionDenied, TooMuch, Unavailable
from conch.stack.serving import free_ports
from tests.clients.peer import OK, WAIT, Asked, answering, response
from tests.edge.authority import Authority

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
PATIENT_S = 30.0
PROMPT_S = 0.3


class Names:
    """A name server whose answers change from question to question; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def sent(call: Call, allowed: Allowed, **options) -> Answer:
    async with Outbound(allowed, **options) as outbound:
        return await outbound.send(call)


async def asked(peer, path: str = "/", deadline_s: float = PATIENT_S, **options) -> Answer:
    url = f"http://127.0.0.1:{peer.port}"
    return await sent(Call("GET", url + path, deadline_s), Allowed([url]), **options)


async def test_a_call_arrives_as_it_was_given():
    async with answering() as peer:
        url = f"http://127.0.0.1:{peer.port}/hook?team=a"
        call = Call("POST", url, PATIENT_S, b"body", {"X-Signature": "abc"})
        answer = await sent(call, Allowed([f"http://127.0.0.1:{peer.port}/hook"]))

    assert answer == Answer(200, {"content-length": "2"}, b"hi")
    assert peer.asked == [
        Asked(
            "POST",
            "/hook?team=a",
            {
                "host": f"127.0.0.1:{peer.port}",
                "x-signature": "abc",
                "accept-encoding": "identity",
                "content-length": "4",
            },
            b"body",
        )
    ]


@pytest.mark.parametrize("value", ["sésame", "a\r\nX-Other: b"], ids=["not ASCII", "two headers"])
async def test_a_header_that_is_none_is_refused_and_not_sent(value):
    async with answering() as peer:
        url = f"http://127.0.0.1:{peer.port}/"
        with pytest.raises(InvalidRequest):
            await sent(Call("GET", url, PATIENT_S, headers={"X-Key": value}), Allowed([url]))

    assert peer.asked == []


async def test_what_is_on_no_list_is_never_called():
    async with answering() as peer:
        names = Names(["127.0.0.1"])
        for allowed in (Allowed([]), Allowed([f"http://127.0.0.1:{peer.port}/other"])):
            with pytest.raises(PermissionDenied):
                await sent(Call("GET", f"http://127.0.0.1:{peer.port}/", PATIENT_S), allowed, resolve=names.resolve)

    assert (peer.connections, names.asked) == (0, [])


async def test_a_name_that_stands_for_this_machine_is_refused_and_never_called():
    async with answering() as peer:
        url = f"http://localhost:{peer.port}/"
        with pytest.raises(PermissionDenied, match="not public"):
            await sent(Call("GET", url, PATIENT_S), Allowed([url]))
        answer = await sent(Call("GET", url, PATIENT_S), Allowed([url], [LOOPBACK, ipaddress.ip_network("::1")]))

    assert answer.content == b"hi"
    assert peer.connections == 1


async def test_the_address_that_was_checked_is_the_one_that_is_called():
    """Were the name resolved again to connect, the second answer would count, and there nobody listens."""
    names = Names(["127.0.0.1"], ["127.6.6.6"])
    async with answering() as peer:
        url = f"http://hooks.test:{peer.port}/"
        answer = await sent(
            Call("GET", url, PATIENT_S), Allowed([url], [ipaddress.ip_network("127.0.0.1")]), resolve=names.resolve
        )

    assert answer.content == b"hi"
    assert names.asked == ["hooks.test"]
    assert peer.asked[0].headers["host"] == f"hooks.test:{peer.port}"


async def test_each_call_checks_anew_where_its_name_leads():
    names = Names(["127.0.0.1"], ["127.6.6.6"])
    async with answering() as peer:
        url = f"http://hooks.test:{peer.port}/"
        allowed = Allowed([url], [ipaddress.ip_network("127.0.0.1")])
        async with Outbound(allowed, resolve=names.resolve) as outbound:
            await outbound.send(Call("GET", url, PATIENT_S))
            with pytest.raises(PermissionDenied, match=r"127\.6\.6\.6"):
                await outbound.send(Call("GET", url, PATIENT_S))

    assert peer.connections == 1


async def test_an_address_where_nobody_listens_gives_way_to_the_next():
    async with answering() as peer:
        url = f"http://hooks.test:{peer.port}/"
        answer = await sent(
            Call("GET", url, PATIENT_S), Allowed([url], [LOOPBACK]), resolve=Names(["127.6.6.6", "127.0.0.1"]).resolve
        )

    assert answer.content == b"hi"


async def test_nothing_was_sent_where_nobody_listens_or_the_name_is_unknown():
    port = free_ports(1)[0]
    for url, resolve in (
        (f"http://127.0.0.1:{port}/", Names(["127.0.0.1"]).resolve),
        (f"http://nobody.invalid:{port}/", Names([]).resolve),
    ):
        with pytest.raises(Unreached):
            await sent(Call("GET", url, PATIENT_S), Allowed([url]), resolve=resolve)


async def test_no_redirect_is_followed():
    async with answering() as inner:
        location = {"Location": f"http://127.0.0.1:{inner.port}/"}
        async with answering(response(302, headers=location)) as peer:
            with pytest.raises(PermissionDenied, match="redirect"):
                await asked(peer)

    assert inner.connections == 0


async def test_proxies_and_passwords_of_the_environment_have_no_effect(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login wearer password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with answering() as proxy, answering() as peer:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await asked(peer)

    assert proxy.connections == 0
    assert "authorization" not in peer.asked[0].headers


@pytest.mark.parametrize(
    "answer", [WAIT, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf" + WAIT], ids=["silence", "half an answer"]
)
async def test_a_peer_that_does_not_finish_costs_its_deadline_and_no_more(answer):
    async with answering(answer) as peer:
        with pytest.raises(DeadlineExceeded, match=r"0\.3 s"):
            await asked(peer, deadline_s=PROMPT_S)


async def test_an_endless_answer_is_cut_off():
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000 + WAIT
    async with answering(endless) as peer:
        with pytest.raises(TooMuch, match="more than 4096 bytes"):
            await asked(peer, max_answer_bytes=4096)


async def test_a_compressed_answer_is_refused_before_it_is_unpacked():
    async with answering(response(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})) as peer:
        with pytest.raises(Unavailable, match="gzip"):
            await asked(peer)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", OK[:-1]], ids=["nothing", "no HTTP", "a byte less"])
async def test_what_is_no_answer_is_unavailable(answer):
    async with answering(answer) as peer:
        with pytest.raises(Unavailable) as broken:
            await asked(peer)
    assert not isinstance(broken.value, Unreached)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest),
        (401, errors.Unauthenticated),
        (403, errors.PermissionDenied),
        (404, errors.NotFound),
        (408, errors.DeadlineExceeded),
        (422, errors.InvalidRequest),
        (429, errors.TooMuch),
        (500, errors.Unavailable),
        (503, errors.Unavailable),
        (504, errors.DeadlineExceeded),
    ],
)
async def test_a_refusal_is_an_error_that_names_no_path(status, kind):
    async with answering(response(status, b"details")) as peer:
        with pytest.raises(kind, match=f"answers {status}") as refused:
            await asked(peer, "/secret-of-the-webhook")
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("told", "wait_s"), [("7", 7.0), ("soon", 1.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("9" * 40, 3600.0)]
)
async def test_a_peer_that_has_too_much_says_for_how_long(told, wait_s):
    async with answering(response(429, headers={"Retry-After": told})) as peer:
        with pytest.raises(TooMuch) as refused:
            await asked(peer)
    assert refused.value.retry_after_s == wait_s


async def test_tls_asks_for_the_name_and_checks_the_certificate_against_it(tmp_path):
    authority = Authority(tmp_path / "authority")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.sign("localhost"))
    names: list[str | None] = []
    server.set_servername_callback(lambda _, name, __: names.append(name))
    trusting = ssl.create_default_context(cafile=str(authority.certificate))

    async def call(host: str, port: int, tls: ssl.SSLContext | None) -> Answer:
        url = f"https://{host}:{port}/"
        resolve = Names(["127.0.0.1"]).resolve
        return await sent(Call("GET", url, PATIENT_S), Allowed([url], [LOOPBACK]), tls=tls, resolve=resolve)

    async with answering(tls=server) as peer:
        assert (await call("localhost", peer.port, trusting)).content == b"hi"
        with pytest.raises(Unreached, match="Hostname mismatch"):
            await call("hooks.test", peer.port, trusting)
        with pytest.raises(Unreached, match="certificate"):
            await call("localhost", peer.port, None)

    assert names == ["localhost", "hooks.test", "localhost"]
    assert [one.headers["host"] for one in peer.asked] == [f"localhost:{peer.port}"]
