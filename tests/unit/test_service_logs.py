"""Log lines of services."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from tasks.logs import set_up

pytestmark = pytest.mark.usefixtures("logs_as_before")


def test_a_logger_goes_by_the_newest_settings() -> None:
    log = structlog.get_logger()
    set_up("warning")
    log.warning("one")
    set_up("error")
    with capture_logs() as said:
        log.warning("two")
    assert [one["event"] for one in said] == ["two"]
