import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.errors import InvalidRequest
from conch.contracts.identity import (
    AUDIO_LIMIT_HEADER,
    REQUEST_ID_HEADER,
    TENANT_HEADER,
    TRACEPARENT_HEADER,
    Identity,
)
from conch.triton.identity import read_identity

HEADERS = (TENANT_HEADER, REQUEST_ID_HEADER, TRACEPARENT_HEADER, AUDIO_LIMIT_HEADER)


def parameters(*pairs: tuple[str, object]) -> str:
    """As Triton gives them: JSON that may hold a name twice."""
    return "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"


def test_forwarded_headers_are_the_identity():
    forwarded = parameters((TENANT_HEADER, "acme"), (REQUEST_ID_HEADER, "r1"), (TRACEPARENT_HEADER, "00-ab-cd-01"))
    assert read_identity(forwarded, "") == Identity("acme", "r1", "00-ab-cd-01")


@pytest.mark.parametrize("nothing", ["", "{}"])
def test_without_headers_the_caller_is_the_default_tenant(nothing):
    assert read_identity(nothing, "") == Identity("default", "", "")


@pytest.mark.parametrize(
    ("text", "limit"),
    [("3600", 3600), ("0", 0), ("", 0), ("-1", 0), ("1e9", 0), ("lots", 0), ("1.5", 0), ("٣", 0), ("9" * 400, 0)],
)
def test_a_limit_of_audio_that_is_no_whole_number_allows_none(text, limit):
    assert read_identity(parameters((AUDIO_LIMIT_HEADER, text)), "").audio_seconds_per_day == limit


def test_triton_s_request_id_is_used_where_no_header_names_one():
    assert read_identity("{}", "from-triton").request_id == "from-triton"


def test_the_header_s_request_id_wins_over_triton_s():
    assert read_identity(parameters((REQUEST_ID_HEADER, "header")), "from-triton").request_id == "header"


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("again", [str.lower, str.upper, str.title], ids=["lower", "upper", "title"])
def test_a_name_given_twice_is_refused_in_any_case(header, again):
    with pytest.raises(InvalidRequest, match=f"{header} is given twice"):
        read_identity(parameters((header, "mine"), (again(header), "theirs")), "")


def test_the_same_value_twice_is_refused_too():
    with pytest.raises(InvalidRequest, match="given twice"):
        read_identity(parameters((TENANT_HEADER, "acme"), (TENANT_HEADER, "acme")), "")


def test_other_parameters_may_repeat_and_mean_nothing():
    assert read_identity(parameters(("beam", 5), ("beam", 6), (TENANT_HEADER, "acme")), "").tenant == "acme"


def test_a_header_s_name_inside_another_parameter_s_value_is_no_header():
    nested = f'{{"note": {{"{TENANT_HEADER}": "forged"}}, "list": ["{TENANT_HEADER}"]}}'
    assert read_identity(nested, "").tenant == "default"


def test_values_that_are_not_text_are_refused():
    with pytest.raises(InvalidRequest, match="x-conch-tenant is int, a header is text"):
        read_identity(parameters((TENANT_HEADER, 5)), "")


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_tenant_without_a_name_is_refused(blank):
    with pytest.raises(InvalidRequest, match="x-conch-tenant is empty"):
        read_identity(parameters((TENANT_HEADER, blank)), "")


@given(st.lists(st.tuples(st.sampled_from([*HEADERS, "beam", "X-Conch-Tenant"]), st.text()), max_size=6))
def test_an_identity_is_read_exactly_when_no_name_of_it_repeats_and_no_tenant_is_blank(pairs):
    names = [name.lower() for name, _ in pairs if name.lower() in HEADERS]
    blank = any(name.lower() == TENANT_HEADER and not value.strip() for name, value in pairs)
    if len(set(names)) < len(names) or blank:
        with pytest.raises(InvalidRequest):
            read_identity(parameters(*pairs), "")
    else:
        given_values = {name.lower(): value for name, value in pairs}
        identity = read_identity(parameters(*pairs), "")
        assert identity.tenant == given_values.get(TENANT_HEADER, "default")
        assert identity.request_id == given_values.get(REQUEST_ID_HEADER, "")
