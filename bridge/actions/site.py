"""Which actions a site has: its settings become one way to act for each kind of command, or a start that is refused."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_network

from bridge.actions.dial import Asterisk, Dial
from bridge.actions.forward import Forward
from bridge.actions.names import Names
from bridge.actions.order import Acting, Kind, Unset
from bridge.actions.signing import Secret
from bridge.actions.summon import Deliver, Summon
from bridge.actions.webhook import Hook, Webhook
from bridge.devices import Device
from bridge.settings import Settings
from conch.clients.allowed import Allowed, parse
from conch.clients.llm import ChatAssistant, ChatModel
from conch.clients.outbound import Outbound
from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.topics import DeviceId
from conch.replies import NO_ASSISTANT, NO_CALLS, NO_QUESTIONS, NO_SUMMONS, NOT_HERE

Known = Callable[[DeviceId], Device | None]


class WrongSettings(InvalidRequest):
    """The site's settings disagree; the message names them as they are set."""


def outbound_of(settings: Settings) -> Outbound:
    """What may be called: what outbound_urls says, and the assistant. Raises WrongSettings."""
    own = (settings.assistant_url,) if settings.assistant_url else ()
    with _naming("outbound_urls"):
        allowed = Allowed((*settings.outbound_urls, *own), map(ip_network, map(str, settings.outbound_networks)))
    for name in _called(settings):
        url = getattr(settings, name)
        with _naming(name):
            if not url:
                raise InvalidRequest("is empty, and is needed for what is set")
            allowed.check_url(parse(url))
    return Outbound(allowed, tls=_trusted(settings), resolve=Names().resolve)


def ways_of(settings: Settings, outbound: Outbound, deliver: Deliver, known: Known) -> Mapping[Kind, Acting]:
    """Raises WrongSettings."""
    return {
        Kind.SUMMON: _summon(settings, outbound, deliver),
        Kind.DIAL: _dial(settings, outbound, known),
        Kind.FORWARD: _forward(settings, outbound, known),
        Kind.OTHER: Unset("no action is known for this intent", NOT_HERE),
    }


def _summon(settings: Settings, outbound: Outbound, deliver: Deliver) -> Acting:
    match settings.summon_by:
        case "mqtt":
            return Summon(deliver, settings.summon_deadline_s)
        case "webhook":
            return _webhook(settings, outbound)
        case "none":
            return Unset(f"{_variable('summon_by')} is none", NO_SUMMONS)


def _dial(settings: Settings, outbound: Outbound, known: Known) -> Acting:
    match settings.dial_by:
        case "ari":
            return Dial(_asterisk(settings), outbound, known, settings.ari_deadline_s)
        case "webhook":
            return _webhook(settings, outbound)
        case "none":
            return Unset(f"{_variable('dial_by')} is none", NO_CALLS)


def _forward(settings: Settings, outbound: Outbound, known: Known) -> Acting:
    if settings.forward_by == "none":
        return Unset(f"{_variable('forward_by')} is none", NO_QUESTIONS)
    if not settings.assistant_url:
        return Unset(f"{_variable('assistant_url')} is empty", NO_ASSISTANT)
    chat = ChatModel(
        settings.assistant_url,
        settings.assistant_model,
        settings.assistant_key.get_secret_value(),
        settings.assistant_max_tokens,
        settings.assistant_temperature,
    )
    return Forward(ChatAssistant(chat, outbound), known, settings.assistant_deadline_s, settings.assistant_turns)


def _webhook(settings: Settings, outbound: Outbound) -> Acting:
    with _naming("webhook_secret"):
        secret = Secret.decode(settings.webhook_secret.get_secret_value())
    hook = Hook(settings.webhook_url, secret, settings.webhook_attempts, settings.webhook_attempt_s)
    return Webhook(hook, outbound, settings.webhook_deadline_s)


def _asterisk(settings: Settings) -> Asterisk:
    for name in ("ari_user", "ari_extension"):
        if not getattr(settings, name):
            raise WrongSettings(f"{_variable(name)} is empty, and {_variable('dial_by')} is ari")
    if not (password := settings.ari_password.get_secret_value()):
        raise WrongSettings(f"{_variable('ari_password')} is empty, and {_variable('dial_by')} is ari")
    return Asterisk(
        settings.ari_url,
        settings.ari_user,
        password,
        settings.ari_context,
        settings.ari_extension,
        settings.ari_caller_id,
        settings.ari_ring_s,
    )


def _called(settings: Settings) -> list[str]:
    """Settings that name who is called, beside the assistant's."""
    webhook = ["webhook_url"] if "webhook" in (settings.summon_by, settings.dial_by) else []
    return [*webhook, *(["ari_url"] if settings.dial_by == "ari" else [])]


def _trusted(settings: Settings) -> ssl.SSLContext | None:
    file = settings.outbound_ca_file
    if file is None:
        return None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        raise WrongSettings(f"{_variable('outbound_ca_file')}: {file} has no certificates: {error}") from error


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Says which setting an error is of."""
    try:
        yield
    except ConchError as error:
        raise WrongSettings(f"{_variable(name)}: {error.message}") from error


def _variable(name: str) -> str:
    return f"CONCH_BRIDGE_{name.upper()}"
