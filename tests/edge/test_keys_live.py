"""What a key opens and what it does not: an edge that asks for keys."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from conch.edge.keys import KeyStore, claims
from conch.edge.signing import SigningKey
from conch.stack.envoy import fronting

UNAUTHENTICATED = "StatusCode.UNAUTHENTICATED"
_PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_a_call_without_a_key_is_refused(keyed: Any) -> None:
    assert keyed.anonymous.refusal("sum").status() == UNAUTHENTICATED
    answer = keyed.anonymous.get("/v2/models/sum")
    assert (answer.status_code, answer.json()) == (401, {"error": "Jwt is missing"})
    assert keyed.anonymous.get("/v1/models").json()["error"]["type"] == "authentication_error"


def test_health_asks_for_a_key_too(keyed: Any) -> None:
    assert keyed.anonymous.get("/v2/health/live").status_code == 401


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_a_key_says_the_tenant(keyed: Any, header: str) -> None:
    made = keyed.edge.keys.create("beta")[1]
    caller = keyed.anonymous.sending(**{header: f"Bearer {made}" if header == "authorization" else made})
    assert caller.infer("sum").as_numpy("identity").tolist()[0] == b"beta"
    assert caller.get("/v1/models").json()["headers"]["x-conch-tenant"] == "beta"


def test_a_key_goes_no_further_than_the_edge(keyed: Any) -> None:
    key, made = keyed.edge.keys.create("beta")
    for header in ({"authorization": f"Bearer {made}"}, {"x-api-key": made}):
        headers = keyed.anonymous.sending(**header).get("/v1/models").json()["headers"]
        assert made not in json.dumps(headers)
        assert headers["x-conch-key"] == key.id


def test_who_the_caller_says_it_is_does_not_count(keyed: Any) -> None:
    caller = keyed.caller("beta").sending(**{"x-conch-tenant": "acme", "x-conch-operator": "true", "x-conch-key": "x"})
    assert caller.infer("sum").as_numpy("identity").tolist()[0] == b"beta"
    headers = caller.get("/v1/models").json()["headers"]
    assert headers["x-conch-tenant"] == "beta"
    assert "x-conch-operator" not in headers


@pytest.mark.parametrize(
    "said",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "somebody-else"},
        {"nbf": int(time.time()) + 86_400},
    ],
    ids=["expired", "without an end", "for somebody else", "for nobody", "of another issuer", "not yet valid"],
)
def test_a_token_that_does_not_hold_is_refused(keyed: Any, said: dict[str, Any]) -> None:
    made = _signing(keyed).sign({name: value for name, value in {**_good(keyed), **said}.items() if value is not None})
    # Envoy tells a key for somebody else from no key at all.
    expected = "StatusCode.PERMISSION_DENIED" if "aud" in said else UNAUTHENTICATED
    assert keyed.holding(made).refusal("sum").status() == expected


def test_what_is_said_of_a_token_that_holds_opens_the_edge(keyed: Any) -> None:
    """Otherwise the refusals around here would prove nothing."""
    keyed.holding(_signing(keyed).sign(_good(keyed))).infer("sum")


def test_a_token_that_nobody_signed_is_refused(keyed: Any) -> None:
    for algorithm in ("none", "None", "NONE"):
        made = f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(_good(keyed))}."
        assert keyed.holding(made).refusal("sum").status() == UNAUTHENTICATED


def test_a_token_that_another_key_signed_is_refused(keyed: Any) -> None:
    forger = SigningKey.generate(0)
    for one in (forger, replace(forger, id=_signing(keyed).id)):
        assert keyed.holding(one.sign(_good(keyed))).refusal("sum").status() == UNAUTHENTICATED


def test_a_token_that_names_no_known_signing_key_is_refused(keyed: Any) -> None:
    stray = replace(_signing(keyed), id="unknown")
    assert keyed.holding(stray.sign(_good(keyed))).refusal("sum").status() == UNAUTHENTICATED


def test_the_public_half_is_no_secret_that_signs(keyed: Any) -> None:
    """The attack on those who take an algorithm from the token: HS256 with what everybody may know."""
    x = _signing(keyed).x
    pem = jwt.PyJWK(dict(_signing(keyed).public())).key.public_bytes(*_PEM)
    for secret in (base64.urlsafe_b64decode(x + "="), x.encode(), pem, pem.strip()):
        text = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': _signing(keyed).id})}.{_part(_good(keyed))}"
        signature = base64.urlsafe_b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())
        made = f"{text}.{signature.rstrip(b'=').decode()}"
        assert keyed.holding(made).refusal("sum").status() == UNAUTHENTICATED


def test_a_token_that_was_changed_is_refused(keyed: Any) -> None:
    header, _, signature = _signing(keyed).sign(_good(keyed)).split(".")
    made = f"{header}.{_part({**_good(keyed), 'operator': True})}.{signature}"
    assert keyed.holding(made).refusal("sum").status() == UNAUTHENTICATED


def test_a_key_ends_on_time_though_it_was_believed_a_moment_ago(keyed: Any, until: Any) -> None:
    """Envoy remembers signatures that it has checked; it must not remember more than that."""
    caller = keyed.holding(_signing(keyed).sign({**_good(keyed), "exp": int(time.time()) + 1}))
    assert caller.get("/v1/models").status_code == 200
    until(lambda: caller.get("/v1/models").status_code == 401)


def test_the_edge_is_told_nothing_that_signs(keyed: Any) -> None:
    files = keyed.edge.files
    told = [path.read_text() for path in files.root.rglob("*.json") if files.key_store not in path.parents]
    assert any(_signing(keyed).x in text for text in told)
    assert not any(_signing(keyed).d in text for text in told)


@pytest.mark.parametrize("text", ["x", "a.b.c", "Basic abc", "é", "." * 1000])
def test_what_is_no_token_is_refused(keyed: Any, text: str) -> None:
    answer = keyed.anonymous.sending(authorization=f"Bearer {text}".encode()).get("/v2/models/sum")
    assert answer.status_code in (400, 401)


def test_of_two_keys_the_one_in_x_api_key_counts_and_lends_nothing_from_the_other(keyed: Any) -> None:
    operator, ordinary = keyed.edge.keys.create("beta", operator=True)[1], keyed.edge.keys.create("acme")[1]
    both = keyed.holding(operator).sending(**{"x-api-key": ordinary})
    headers = both.get("/v1/models").json()["headers"]
    assert headers["x-conch-tenant"] == "acme"
    assert "x-conch-operator" not in headers
    assert "authorization" not in headers


def test_a_revoked_key_is_not_saved_by_a_good_one_beside_it(keyed: Any, until: Any) -> None:
    revoked, made = keyed.edge.keys.create("beta")
    good = keyed.edge.keys.create("acme")[1]
    keyed.edge.keys.revoke(revoked.id)
    with_both = keyed.holding(good).sending(**{"x-api-key": made})
    until(lambda: with_both.get("/v1/models").status_code == 403)
    assert (
        keyed.holding(made).sending(**{"x-api-key": good}).get("/v1/models").json()["headers"]["x-conch-tenant"]
        == "acme"
    )


def test_a_revoked_key_is_not_saved_by_the_id_of_a_good_one(keyed: Any, until: Any) -> None:
    revoked, made = keyed.edge.keys.create("beta")
    good, _ = keyed.edge.keys.create("beta")
    keyed.edge.keys.revoke(revoked.id)
    pretending = keyed.holding(made).sending(**{"X-Conch-Key": good.id})
    until(lambda: pretending.get("/v1/models").status_code == 403)


def test_two_keys_hold_side_by_side(keyed: Any) -> None:
    callers = {tenant: keyed.caller(tenant) for tenant in ("acme", "beta")}
    for _ in range(3):
        for tenant, caller in callers.items():
            assert caller.infer("sum").as_numpy("identity").tolist()[0] == tenant.encode()


def test_two_keys_in_one_header_are_none(keyed: Any) -> None:
    one, two = (keyed.edge.keys.create(tenant)[1] for tenant in ("acme", "beta"))
    assert keyed.anonymous.sending(**{"x-api-key": f"{one},{two}"}).get("/v1/models").status_code == 401


def test_a_key_of_one_tenant_does_not_go_with_the_name_of_another(keyed: Any) -> None:
    acme = keyed.caller("acme")
    assert acme.sending(x_tenant_id="acme").get("/v1/models").status_code == 200
    assert acme.sending(x_tenant_id="beta").get("/v1/models").status_code == 403
    assert acme.sending(**{"x-tenant-id": "beta"}).refusal("sum").status() == "StatusCode.PERMISSION_DENIED"


def test_a_key_of_a_tenant_that_is_not_in_the_file_opens_nothing(keyed: Any) -> None:
    stranger = keyed.caller("stranger")
    assert stranger.refusal("sum").status() == "StatusCode.PERMISSION_DENIED"
    assert stranger.get("/v1/models").status_code == 403


def test_a_revoked_key_is_refused_on_the_connection_it_came_by(keyed: Any, until: Any) -> None:
    key, made = keyed.edge.keys.create("beta")
    caller = keyed.holding(made)
    with caller.channel() as channel:
        call = channel.unary_unary("/conch.test.Talk/Say")
        call(b"", metadata=caller.metadata, timeout=10)

        def refused() -> bool:
            try:
                call(b"", metadata=caller.metadata, timeout=10)
            except grpc.RpcError as error:
                return bool(error.code() == grpc.StatusCode.PERMISSION_DENIED)
            return False

        keyed.edge.keys.revoke(key.id)
        until(refused)
    keyed.caller("beta").infer("sum")


def test_keys_of_the_old_signing_key_hold_after_a_rotation_until_it_is_forgotten(
    make_edge: Callable[..., Any], triton: Any, make_keyed: Callable[..., Any], until: Any
) -> None:
    edge = make_edge(triton)
    old = edge.keys.create("default")[1]
    with fronting(edge) as running:
        keyed = make_keyed(running)
        edge.keys.rotate()
        new = edge.keys.create("default")[1]
        until(lambda: keyed.holding(new).get("/v1/models").status_code == 200)
        assert keyed.holding(old).get("/v1/models").status_code == 200
        assert edge.keys.forget_old() == 1
        until(lambda: keyed.holding(old).get("/v1/models").status_code == 401)
        assert keyed.holding(new).get("/v1/models").status_code == 200


def test_the_first_key_closes_an_open_edge(
    make_edge: Callable[..., Any], triton: Any, make_keyed: Callable[..., Any], until: Any
) -> None:
    edge = make_edge(triton)
    with fronting(edge) as running:
        keyed = make_keyed(running)
        assert keyed.anonymous.get("/v1/models").status_code == 200
        # As another process does it: `conch keys create`.
        key, made = _another_process(edge).create("default")
        until(lambda: keyed.anonymous.get("/v1/models").status_code == 401)
        assert keyed.holding(made).get("/v1/models").status_code == 200
        _another_process(edge).revoke(key.id)
        until(lambda: keyed.holding(made).get("/v1/models").status_code == 403)
        assert keyed.anonymous.get("/v1/models").status_code == 401


def test_an_operators_key_opens_operators_calls(keyed: Any) -> None:
    operator = keyed.caller("beta", operator=True)
    assert operator.get("/v2/logging").json()["log_error"] is True
    with operator.triton() as client:
        assert client.get_log_settings(headers=dict(operator.headers)).settings["log_error"].bool_param
        client.load_model("other", headers=dict(operator.headers))
    with operator.triton_http() as client:
        client.load_model("other", headers=dict(operator.headers))
    assert operator.get("/v1/models").json()["headers"]["x-conch-operator"] == "true"


def test_nobody_elses_key_opens_them(keyed: Any) -> None:
    assert keyed.caller("beta").get("/v2/logging").status_code == 403


def test_not_even_an_operator_loads_with_parameters(keyed: Any) -> None:
    operator = keyed.caller("beta", operator=True)
    with operator.triton() as client, pytest.raises(Exception, match="PERMISSION_DENIED"):
        client.load_model("other", headers=dict(operator.headers), config="{}")
    with operator.triton() as client, pytest.raises(Exception, match="PERMISSION_DENIED"):
        client.load_model("other", headers=dict(operator.headers), config="{}", files={"file:1/x": b"\xff\xfe"})
    with operator.triton() as client, pytest.raises(Exception, match="RESOURCE_EXHAUSTED"):
        client.load_model("other", headers=dict(operator.headers), config="{}", files={"file:1/x": b"x" * 2**21})
    with operator.triton_http() as client, pytest.raises(Exception, match="a load takes no parameters"):
        client.load_model("other", headers=dict(operator.headers), config="{}")
    chunked = operator.post("/v2/repository/models/other/load", content=(part for part in [b'{"parameters":', b"{}}"]))
    assert chunked.status_code == 403
    assert operator.infer("other").as_numpy("total").tolist() == [3.0]


def test_secrets_stand_in_no_log(keyed: Any, until: Any) -> None:
    made = keyed.edge.keys.create("beta")[1]
    secret = "canary-7f3a"
    keyed.holding(made).sending(**{"x-anything": secret}).get(f"/v2/{secret}?{secret}={secret}")
    keyed.holding(secret).get("/v1/models")
    until(lambda: '"route":"kserve.operator"' in keyed.running.log.read_text())
    log = keyed.running.log.read_text()
    assert made not in log
    assert secret not in log
    assert secret not in keyed.running.admin("/stats")
    assert _signing(keyed).d not in log


def _another_process(edge: Any) -> KeyStore:
    from conch.edge.edge import key_store

    store: KeyStore = key_store(type(edge.files)(Path(edge.files.root)))
    return store


def _good(keyed: Any) -> dict[str, Any]:
    return claims(keyed.edge.keys.create("beta")[0])


def _part(said: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def _signing(keyed: Any) -> SigningKey:
    signing: SigningKey = keyed.edge.keys.signing_keys[-1]
    return signing
