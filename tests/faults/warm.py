"""What the process that workers are forked from has loaded: the kernels too, so that nobody compiles anything."""

from limits import capacity
from tests.faults import forked

assert forked
capacity.warm()
