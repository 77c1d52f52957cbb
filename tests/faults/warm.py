"""What the process that workers and commands are forked from has loaded: the kernels too, so that nobody compiles."""

from limits import capacity
from tests import commands
from tests.faults import forked

assert commands
assert forked
capacity.warm()
