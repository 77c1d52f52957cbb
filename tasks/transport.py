"""kombu's transport over pgmq, with connections of ours and without the right to create queues or triggers.

Whoever puts a message into the queue says so by NOTIFY, and a worker that listens takes it at once. What is said may
be lost, so the queue is looked at now and then all the same.
"""

from __future__ import annotations

from typing import Any

import structlog
from kombu.transport import pgmq
from pgmq import PGMQueue

from limits.store.queries import query

log = structlog.get_logger()


class Channel(pgmq.Channel):
    """As kombu's; a message that no one of ours sent cannot stop the worker."""

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        """As kombu's, which asks the database several times for each message; a queue that is there stays."""
        known = self.connection.known_queues
        if queue not in known and super()._has_queue(queue, **kwargs):
            known.add(queue)
        return queue in known

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        if not self._has_queue(queue):
            super()._new_queue(queue, **kwargs)

    def _maybe_enable_notify(self, queue: str, queue_name: str | None = None) -> None:
        """Listens for messages. kombu would have pgmq's trigger send word of them, which needs the queue's owner."""
        self.connection._register_notify_queue(queue_name or self._queue_name(queue))

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)
        pool = self.pgmq.pool
        assert pool is not None, "the transport gives it one"
        with pool.connection() as conn:
            conn.execute(query("queue_notify"), {"queue": self._queue_name(queue)})

    def _pgmq_messages_to_python(self, messages: list[Any], queue: str) -> list[Any]:
        """Messages as kombu wants them; what is none is removed, for it would come back for ever."""
        well_formed = []
        for message in messages:
            if _is_message(message.message):
                well_formed.append(message)
                continue
            log.warning("a row of the queue that is no message was removed", msg_id=message.msg_id)
            self.pgmq.delete(self._queue_name(queue), message.msg_id)
        payloads: list[Any] = super()._pgmq_messages_to_python(well_formed, queue)
        return payloads


class Transport(pgmq.Transport):
    """As kombu's, with the pool of connections that the transport option ``pool`` makes."""

    Channel = Channel

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.known_queues: set[str] = set()

    def _create_pgmq_client(self) -> PGMQueue:
        assert self.client is not None, "a transport is made by its connection"
        options = self.client.transport_options
        return PGMQueue(
            conn_string="host=unused",  # else the environment would be read; the pool is what is used
            init_extension=False,
            vt=int(options["visibility_timeout"]),
            pool=options["pool"](),
        )

    def _get_notify_waiter(self) -> Any:
        if self._notify_waiter is None:
            assert self.client is not None, "a transport is made by its connection"
            self._notify_waiter = pgmq._NotifyWaiter(self.client.transport_options["listen"]())
        return self._notify_waiter

    def close_connection(self, connection: Any) -> None:
        """Closes the pool too: pgmq leaves one that was given to it open."""
        opened = self._pgmq_client.pool if self._pgmq_client is not None else None
        try:
            super().close_connection(connection)
        finally:
            if opened is not None:
                opened.close()


def _is_message(payload: Any) -> bool:
    """Whether kombu can make a message of it."""
    if not isinstance(payload, dict) or not isinstance(payload.get("body"), str | None):
        return False
    properties, headers = payload.get("properties"), payload.get("headers")
    if not isinstance(properties, dict) or not isinstance(headers, dict | None):
        return False
    if properties.get("body_encoding") not in (None, "base64"):
        return False
    if any(not isinstance(value, str) for key, value in (headers or {}).items() if key in ("id", "task")):
        return False
    return isinstance(properties.get("delivery_tag"), str) and isinstance(properties.get("delivery_info"), dict)
