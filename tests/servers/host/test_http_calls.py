"""A call over streamable HTTP: its progress comes before its end, and it ends with its caller."""

import pytest

pytestmark = pytest.mark.timeout(240)
