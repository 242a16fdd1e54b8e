"""The two ways in which a machine test goes wrong."""

from __future__ import annotations


class MachineError(Exception):
    """The machine itself misbehaved: it died, did not boot, or did not answer in time."""


class RequestedAssertionFailed(AssertionError):
    """What the test asked for is not so, on a machine that is well."""
