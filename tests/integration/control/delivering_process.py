"""A process that tells one event and delivers it, until it is killed: DATA_DIR DATABASE_URL."""

import asyncio
import sys
import time
from ipaddress import ip_network

from aqueduct.control.deliveries import Deliveries
from aqueduct.control.webhook_addresses import WebhookAddresses
from aqueduct.control.webhook_sender import WebhookSender
from aqueduct.control.workspace import open_workspace
from aqueduct.domain.event import target_down_event
from aqueduct.settings import Settings
from aqueduct.storage.events import Events
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.transport import Transport


async def deliver(data_dir: str, database_url: str) -> None:
    settings = Settings.model_validate({"data_dir": data_dir, "database_url": database_url})
    async with open_workspace(settings) as workspace:
        addresses = WebhookAddresses((ip_network("127.0.0.0/8"),), TransportOptions())
        told = Events(workspace.database)
        told.emit(target_down_event("a", "openai", "gpt", code="upstream_timeout", now=time.time()))
        await Deliveries(workspace.registry, told, WebhookSender(Transport(), addresses)).run()


if __name__ == "__main__":
    asyncio.run(deliver(sys.argv[1], sys.argv[2]))
