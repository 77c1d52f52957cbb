"""What the process that workers and commands are forked from has loaded: all that a worker loads before it forks."""

from limits.engine import warming
from tests import commands
from tests.faults import forked

assert commands
assert forked
warming.warm()
