"""What the test driver knows of systemd: units, their states and jobs."""

from __future__ import annotations

import shlex

from api.machine import DEFAULT_TIMEOUT
from api.x11 import X11Machine
from base.errors import RequestedAssertionFailed


class SystemdMachine(X11Machine):
    """A machine whose PID 1 is systemd. `user` in these calls names whose user manager is meant."""

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        """Runs `systemctl` with the arguments `q`."""
        if user is None:
            return self.execute(f"systemctl {q}")
        inner = f'XDG_RUNTIME_DIR="/run/user/$(id -u)" systemctl --user {q}'
        return self.execute(f"su -l {shlex.quote(user)} --shell /bin/sh -c {shlex.quote(inner)}")

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        """Returns all properties of a unit."""
        status, output = self.systemctl(f"--no-pager show {shlex.quote(unit)}", user)
        if status != 0:
            raise RequestedAssertionFailed(f"{self.name}: reading unit `{unit}` failed (exit code {status})")
        pairs = (line.partition("=") for line in output.splitlines() if "=" in line)
        return {key: value for key, _, value in pairs}

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:
        """Returns one property of a unit; one that it doesn't have is an error."""
        status, output = self.systemctl(f"--no-pager show {shlex.quote(unit)} --property={shlex.quote(property)}", user)
        if status != 0 or f"{property}=" not in output:
            raise RequestedAssertionFailed(
                f"{self.name}: unit `{unit}` has no readable property `{property}` (exit code {status})"
            )
        return output.strip().partition("=")[2]

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Waits until a unit is active; a unit that failed, or that is inactive with no job pending, is an error."""
        state = ""
        limit = self._scaled(timeout)

        def attempt(_: float) -> bool:
            nonlocal state
            state = self.get_unit_property(unit, "ActiveState", user)
            if state == "failed":
                raise RequestedAssertionFailed(
                    f'{self.name}: unit "{unit}" reached state "{state}"\n{self._describe(unit, user)}'
                )
            if state == "inactive" and self._jobs_done(user):
                # A job may have ended between the two questions.
                state = self.get_unit_property(unit, "ActiveState", user)
                if state == "inactive":
                    raise RequestedAssertionFailed(
                        f'{self.name}: unit "{unit}" is inactive and there are no pending jobs'
                    )
            return state == "active"

        owner = f" of {user}" if user else ""
        with self.nested(f"waiting for unit {unit}{owner}"):
            if not self._poll(attempt, limit):
                raise RequestedAssertionFailed(
                    f'{self.name}: unit "{unit}" was not active within {limit:g} seconds, but "{state}"'
                )

    def _jobs_done(self, user: str | None) -> bool:
        status, output = self.systemctl("--no-legend --full list-jobs", user)
        return status == 0 and not output.strip()

    def _describe(self, unit: str, user: str | None) -> str:
        return self.systemctl(f"status --no-pager --lines=30 {shlex.quote(unit)} 2>&1", user)[1]

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        """Asserts the state that a unit has now."""
        with self.nested(f"unit {unit} must be {require_state}"):
            state = self.get_unit_property(unit, "ActiveState")
            if state != require_state:
                raise RequestedAssertionFailed(
                    f'{self.name}: unit "{unit}" should be "{require_state}", but is "{state}"'
                )

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """Starts a unit; returns the exit status and output of systemctl."""
        return self.systemctl(f"start {shlex.quote(jobname)}", user)

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """Stops a unit; returns the exit status and output of systemctl."""
        return self.systemctl(f"stop {shlex.quote(jobname)}", user)
