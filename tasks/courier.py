"""Delivering messages to users while the scheduler runs: at every tick, beside the clock and never in its way."""

from __future__ import annotations

import structlog

from limits import engine
from limits.engine import Sender
from limits.errors import LimitsError
from limits.store.db import TROUBLE
from tasks.app import Context

log = structlog.get_logger()


class Courier:
    """What is delivered at every tick, to one place."""

    def __init__(self, context: Context, target: str) -> None:
        self._context = context
        self._target = target
        #: Kept from tick to tick: a URL is posted to over connections that stay.
        self._sender: Sender | None = None

    def tick(self) -> None:
        """Delivers what waits, unless another process does. Trouble is for the next tick."""
        try:
            if self._sender is None:
                self._sender = engine.sender_for(self._target, secret=self._context.settings.webhook_secret)
            sender = self._sender
            done = engine.deliver(
                self._context.database, sender, role="worker", stopping=self._context.stopping,
                folder=self._context.settings.snapshot_store,
            )  # fmt: skip
        except (*TROUBLE, LimitsError) as error:
            log.warning("nothing delivered", error=" ".join(str(error).split()))
            return
        if done.delivered or done.failed:
            log.info("messages delivered", delivered=done.delivered, to=sender.name, users_waiting=len(done.failed))
