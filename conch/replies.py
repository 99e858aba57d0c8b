"""What is said back to the speaker once the gate has decided."""

from conch.contracts.voice import Understood
from conch.decision import DIAL, SUMMON, Action

NO_ASSISTANT = "No assistant is configured, so I cannot answer that."
NOT_HEARD = "I did not hear a command."
CALLED_OFF = "All right, I will not do it."
NO_ANSWER = "I heard no answer, so I will not do it."
NO_CONTACT = "I know nobody of that name. Whom shall I call?"
NOT_HERE = "I cannot do that here."
NO_QUESTIONS = "Questions are not answered here."
NO_CALLS = "Calls are not set up here."
NO_SUMMONS = "Summoning a team is not set up here."
SAY_AGAIN = "We were interrupted. Please say that again."
INTERRUPTED = "We were interrupted, so I will not do it."
TOO_LATE = "I heard that too late, so I did not do it. Please say it again."
TOO_BUSY = "Too much is asked of me just now. Please say that again in a moment."


def reply_to(understood: Understood, *, contacts_known: bool = False) -> str:
    """One or two short sentences. Forwarded questions are answered here only while there is no assistant to ask.

    `contacts_known`: a call's name was looked for among contacts.
    """
    match understood.decision:
        case Action.IGNORE:
            return NOT_HEARD
        case Action.FORWARD:
            return NO_ASSISTANT
        case Action.CONFIRM:
            return _asked(understood, contacts_known)
    if understood.intent == SUMMON:
        return _summoned(understood)
    if understood.intent == DIAL and understood.contacts:
        return f"Calling {understood.contacts[0]}."
    return "Dialling now." if understood.intent == DIAL else "Done."


def not_done(intent: str, subject: str) -> str:
    """`subject`: the team or the contact, as far as it is known; of other intents none."""
    if intent == SUMMON:
        return f"I could not summon {_team(subject)}."
    if intent == DIAL:
        return f"I could not call {subject}." if subject else "I could not make the call."
    return "The assistant does not answer just now. Please ask again later."


def not_known_done(intent: str, subject: str) -> str:
    """It was begun, and may have been done."""
    if intent == SUMMON:
        return f"I do not know whether {_team(subject)} was summoned. Please check."
    if intent == DIAL:
        return f"I do not know whether {subject or 'anybody'} was called. Please check."
    return "I was interrupted and have no answer. Please ask again."


def no_number(name: str) -> str:
    return f"I have no number for {name}." if name else "I do not know whom to call."


def _asked(understood: Understood, contacts_known: bool) -> str:
    if understood.intent == DIAL and contacts_known:
        return f"Did you mean {_either(understood.contacts)}?" if understood.contacts else NO_CONTACT
    return f"Did you say: {understood.text.strip().rstrip('.?!')}?"


def _summoned(understood: Understood) -> str:
    team = _team(understood.team)
    return f"Summoning {team} to {_spoken(understood.place)}." if understood.place else f"Summoning {team}."


def _team(name: str) -> str:
    return _spoken(name) if name else "the team"


def _spoken(name: str) -> str:
    """With an article where it sounds right: "the loading dock", "aisle 5", "security"."""
    words = name.split()
    bare = len(words) == 1 or words[0] in ("my", "our") or any(letter.isdigit() for letter in name)
    return name if bare else f"the {name}"


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
