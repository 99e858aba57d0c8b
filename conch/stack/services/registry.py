"""Every service of the stack: a new one is one line here."""

from collections.abc import Collection

from conch.contracts.errors import InvalidRequest
from conch.stack.service import Service
from conch.stack.services.bridge import Bridge
from conch.stack.services.envoy import Envoy
from conch.stack.services.features import Features
from conch.stack.services.gateway import Gateway
from conch.stack.services.kafka import Kafka
from conch.stack.services.llm import Llm
from conch.stack.services.mqtt import Mqtt
from conch.stack.services.redis import Redis
from conch.stack.services.rollout import Rollout
from conch.stack.services.triton import Triton

SERVICES: tuple[type[Service], ...] = (Redis, Kafka, Features, Triton, Rollout, Envoy, Gateway, Mqtt, Llm, Bridge)


def chosen(only: Collection[str] = (), besides: Collection[str] = ()) -> list[Service]:
    """New ones of these names and of all that they need; of all that are installed, where `only` names none."""
    by_name = {service.name: service for service in SERVICES}
    for name in (*only, *besides):
        if name not in by_name:
            raise InvalidRequest(f"there is no service {name!r}; there are {', '.join(by_name)}")
    usual = (name for name, service in by_name.items() if service.installed() and not service.asked_for)
    wanted, waiting = set[str](), [*(only or usual), *besides]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += by_name[name].needs
    return [service() for name, service in by_name.items() if name in wanted]
