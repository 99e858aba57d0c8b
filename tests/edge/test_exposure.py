"""What edge.toml says, and what it may not."""

from pathlib import Path

import pytest

from conch.contracts.errors import InvalidRequest
from conch.edge.exposure import Exposure
from conch.edge.settings import Tls


def read(folder: Path, text: str) -> Exposure:
    (folder / "edge.toml").write_text(text)
    return Exposure.read(folder / "edge.toml")


@pytest.mark.parametrize("text", [None, "", "# nothing\n"], ids=["no file", "an empty one", "a comment"])
def test_who_says_nothing_is_open_to_this_machine_alone(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "edge.toml").write_text(text)
    assert Exposure.read(tmp_path / "edge.toml") == Exposure("127.0.0.1", "127.0.0.1", plain_text=False, tls=None)


def test_everything_that_can_be_said_is_read_and_paths_begin_at_the_file(tmp_path: Path) -> None:
    text = """
        listen = "0.0.0.0"
        listen_metrics = "::1"
        plain_text = true
        [tls]
        certificate = "tls/server.pem"
        key = "/etc/server.key"
        client_ca = "tls/callers.pem"
    """
    tls = Tls(tmp_path / "tls/server.pem", Path("/etc/server.key"), tmp_path / "tls/callers.pem")
    assert read(tmp_path, text) == Exposure("0.0.0.0", "::1", plain_text=True, tls=tls)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("listen", "is not TOML"),
        ("port = 8000", "edge.toml has port; there are listen, listen_metrics, plain_text, tls"),
        ("listen = 'localhost'", "listen is 'localhost', not an IP address"),
        ("listen_metrics = 8002", "listen_metrics is 8002, not an IP address"),
        ("plain_text = 'yes'", "plain_text is 'yes', not true or false"),
        ("tls = true", "tls is not a table"),
        ("[tls]\nca = 'x'", "tls has ca; there are certificate, key, client_ca"),
        ("[tls]\ncertificate = ''", "tls.certificate is '', not a file's path"),
        ("[tls]\ncertificate = 'x'", "tls has no key"),
        ("[tls]", "tls has no certificate and no key"),
    ],
)
def test_what_it_does_not_know_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(tmp_path, text)
    assert message in refused.value.message
