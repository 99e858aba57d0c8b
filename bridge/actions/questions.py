"""What was asked back and not answered yet: with its session's stream a question ends, and the wearer is told."""

import asyncio
import logging

from bridge.actions.order import State, kind_of
from bridge.actions.outbox import Outbox, Question
from bridge.actions.outcomes import Outcomes
from bridge.events import Decided
from bridge.wearer import Wearer
from conch.contracts.errors import ConchError
from conch.decision import Action
from conch.replies import INTERRUPTED

logger = logging.getLogger(__name__)


class Questions:
    def __init__(self, outbox: Outbox, outcomes: Outcomes) -> None:
        self._outbox = outbox
        self._outcomes = outcomes
        self._pending: dict[Wearer, Question] = {}
        """One a session at most, as the gateway asks."""

    async def follow(self, decided: Decided, wearer: Wearer) -> None:
        """Of every decision: it asks, or answers what was asked."""
        pending = self._pending.get(wearer)
        if decided.decision == Action.CONFIRM:
            self._pending[wearer] = question = Question(wearer, decided.command_id, kind_of(decided))
            if question != pending:
                await self._keep(question)
        elif pending is not None and pending.command_id == decided.command_id:
            del self._pending[wearer]
            await self._forget(wearer)

    async def interrupted(self, wearer: Wearer) -> None:
        question = self._pending.pop(wearer, None)
        if question is not None:
            await self._cancel(question, "the session broke before an answer came")

    async def recover(self) -> None:
        """Those that a bridge which ended had asked."""
        for question in await asyncio.to_thread(self._outbox.questions):
            await self._cancel(question, "the bridge ended before an answer came")

    async def _cancel(self, question: Question, reason: str) -> None:
        self._outcomes.tell(question.wearer, question.command_id, question.kind, State.CANCELLED, reason, INTERRUPTED)
        await self._forget(question.wearer)

    async def _keep(self, question: Question) -> None:
        try:
            await asyncio.to_thread(self._outbox.ask, question)
        except ConchError as error:
            logger.error("a question of %s would not outlive this process: %s", question.wearer.device, error.message)

    async def _forget(self, wearer: Wearer) -> None:
        try:
            await asyncio.to_thread(self._outbox.answered, wearer)
        except ConchError as error:
            logger.error("an answered question of %s may be told as broken: %s", wearer.device, error.message)
