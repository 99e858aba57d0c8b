"""Keys in Redis, and what stands under them."""

from datetime import date

ADDRESS_VARIABLE = "CONCH_REDIS_ADDRESS"
"""host:port in the environment of models; absent where there is no Redis for them."""

AUDIO_QUOTA_KEEP_S = 2 * 86_400
"""A day's use can still be looked at on the day after."""


def audio_quota(tenant: str, day: date) -> str:
    """Milliseconds of audio, an integer, that a tenant has had transcribed on a day in UTC."""
    return f"quota:audio:{tenant}:{day:%Y%m%d}"
