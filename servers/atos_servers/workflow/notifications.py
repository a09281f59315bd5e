"""Messages to workflows that need no answer: kept on the disk until they were taken.

What is kept has the workflow's name and not its secret, which is read when the message is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, Field

from atos_protocol.errors import BadRequestError
from atos_servers.outbox.messages import Message
from atos_servers.outbox.outbox import Outbox
from atos_servers.workflow.configuration import Workflow, read


class Notified(BaseModel):
    """What became of a message."""

    id: str = Field(description="Sent along as idempotency key.")
    workflow: str
    accepted: bool = Field(description="False: a message with this key was put before.")


class Notifications:
    """The messages of one home."""

    def __init__(self, home: Path) -> None:
        self._configuration = home / "workflows.yaml"
        self.outbox = Outbox(home / "notifications", headers=self._secret)

    async def notify(self, workflow: Workflow, text: str, key: str) -> Notified:
        """Keep a message for a workflow.

        Raises:
            BadRequestError: the workflow takes no body.
        """
        if workflow.method != "POST":
            message = f"{workflow.name} is called by {workflow.method}, and a message is posted"
            raise BadRequestError(message, next_step="Use trigger_workflow, or set `method: POST`.")
        told = f"{workflow.name}\0{key or uuid4()}"
        identity = hashlib.sha256(told.encode()).hexdigest()[:24]
        body = {"workflow": workflow.name, "text": text}
        accepted = await self.outbox.put(Message(identity, workflow.url, body))
        return Notified(id=identity, workflow=workflow.name, accepted=accepted)

    def _secret(self, message: Message) -> Mapping[str, str]:
        """Return the header that proves to the message's workflow who calls.

        Raises:
            BadConfigError: it can't be read.
        """
        for workflow in read(self._configuration):
            same = (workflow.name, workflow.url) == (message.body.get("workflow"), message.url)
            if same and workflow.secret:
                return {workflow.secret.header: workflow.secret.value()}
        return {}
