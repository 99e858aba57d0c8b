"""What is said back to the speaker once the gate has decided."""

from conch.decision import Action

NO_ASSISTANT = "No assistant is configured, so I cannot answer that."
NOT_HEARD = "I did not hear a command."

_DONE = {"SUMMON_TEAM": "Summoning the team.", "DIAL_PERSON": "Dialling now."}


def reply_to(action: Action, intent: str, text: str) -> str:
    """One or two short sentences. Forwarded questions are answered here only while there is no assistant to ask."""
    if action is Action.IGNORE:
        return NOT_HEARD
    if action is Action.FORWARD:
        return NO_ASSISTANT
    if action is Action.CONFIRM:
        return f"Did you say: {text.strip().rstrip('.?!')}?"
    return _DONE.get(intent, "Done.")
