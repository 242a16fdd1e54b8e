"""The ways in which a machine test goes wrong."""

from __future__ import annotations


class MachineError(Exception):
    """The machine itself misbehaved: it died, did not boot, or did not answer in time."""


class MachineUnavailable(MachineError):
    """This host can't have the machine, for a reason that shows only when it is tried. The test is skipped."""


class WordAbsent(MachineError, AttributeError):
    """A word of the NixOS test driver that the machine has not, for a reason."""


class RequestedAssertionFailed(AssertionError):
    """What the test asked for is not so, on a machine that is well."""
