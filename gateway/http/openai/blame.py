"""Which field of a request is to blame for what a use case refuses, where only the face knows the field's name."""

import contextlib
from collections.abc import Iterator

from conch.contracts.errors import InvalidRequest, TooMuch


@contextlib.contextmanager
def blaming(field: str) -> Iterator[None]:
    """For refusals that another try does not mend, and that name no field themselves."""
    try:
        yield
    except (InvalidRequest, TooMuch) as error:
        busy = isinstance(error, TooMuch) and error.retry_after_s is not None
        if error.field is None and not busy:
            error.about(field)
        raise
