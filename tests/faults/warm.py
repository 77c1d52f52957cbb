"""What the process that workers and commands are forked from has loaded: all that a worker loads before it forks."""

import os

import tasks.clock
import tasks.worker
from limits.console import app
from limits.engine import warming
from limits.store import packing
from limits.store.db import Database
from tests import commands
from tests.builders import AS_OF
from tests.faults import forked

assert app
assert commands
assert forked
assert tasks
warming.warm()
if url := os.environ.get("TESTS_PORTFOLIO"):
    with Database(url).connect("worker", "limits test") as conn:
        packing.warm(conn, AS_OF)
