"""The signature of a callback: who receives it knows that it is ATOS's, and of now. Pure.

X-Atos-Signature: t=SECONDS,v1=HEX    HMAC-SHA256 with the receiver's secret over `SECONDS.BODY`
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "x-atos-signature"


def signature(secret: str, seconds: int, body: bytes) -> str:
    """Return the header's value for a body that is sent at that time (epoch seconds)."""
    mac = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={mac.hexdigest()}"
