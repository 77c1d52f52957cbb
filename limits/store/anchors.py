"""The second anchor: the newest checkpoint goes to a command or a URL that the makers of the log have no hand in."""

from __future__ import annotations

import shlex
import threading
import urllib.error
import urllib.request
from typing import Any

from limits.errors import AnchorFailed
from limits.store.outside import refused

#: How long the anchor may take, in seconds: sealing waits for it, and must come round within half a minute.
ANCHOR_SECONDS = 8.0


class Anchor:
    """Hands checkpoints to the command or URL of LIMITS_LOG_ANCHOR."""

    def __init__(self, target: str, *, seconds: float = ANCHOR_SECONDS) -> None:
        self._target = target
        self._seconds = seconds
        self._posting: threading.Thread | None = None

    def send(self, note: str) -> None:
        """Hands a whole note over. AnchorFailed, within the time, where it was not taken."""
        if self._target.startswith(("http://", "https://")):
            self._post(note)
        else:
            why = refused(shlex.split(self._target), note.encode(), seconds=self._seconds)
            if why is not None:
                raise AnchorFailed(why)

    def _post(self, note: str) -> None:
        """In a thread, because a server that answers one byte at a time keeps within every timeout of a socket."""
        if self._posting is not None and self._posting.is_alive():
            raise AnchorFailed("the anchor has not answered to the checkpoint before yet")
        said: list[str | None] = []
        self._posting = threading.Thread(
            target=lambda: said.append(_posted(self._target, note, self._seconds)), name="anchor", daemon=True
        )
        self._posting.start()
        self._posting.join(self._seconds)
        why = said[0] if said else f"the anchor did not answer within {self._seconds:g} s"
        if why is not None:
            raise AnchorFailed(why)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST arrives as a GET without its body: not taken."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _posted(url: str, note: str, seconds: float) -> str | None:
    """Posts the note; what went wrong. The address stays out of it, for it may hold a password."""
    request = urllib.request.Request(  # noqa: S310 (http or https: the settings see to that)
        url, data=note.encode(), headers={"Content-Type": "text/plain; charset=utf-8"}, method="POST"
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds) as answer:
            return None if 200 <= answer.status < 300 else f"the anchor answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"the anchor answered {error.code}"
    except (OSError, ValueError) as error:  # URLError, timeouts and http.client's errors about what was answered
        reason = getattr(error, "reason", error)
        return f"the anchor cannot be reached: {getattr(reason, 'strerror', None) or type(reason).__name__}"
    except Exception as error:  # noqa: BLE001 (http.client.HTTPException and whatever a server provokes)
        return f"the anchor gave an answer that cannot be read: {type(error).__name__}"
