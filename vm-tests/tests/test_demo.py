"""The demonstration that the README begins with, as somebody runs it who has just fetched the project."""

import subprocess

import pytest

from program.host import PROJECT


@pytest.mark.kinds("container")
@pytest.mark.slow
def test_the_demonstration_says_what_it_does_and_leaves_nothing() -> None:
    ran = subprocess.run([PROJECT / "examples/demo"], capture_output=True, text=True, timeout=1200, check=False)
    assert ran.returncode == 0, ran.stderr
    for step in range(1, 5):
        assert f"demo: {step} of 4: " in ran.stderr, ran.stderr
    for shown in ("Plan:", "Activated:", "Deactivated:", "the container is gone"):
        assert shown in ran.stdout, ran.stdout
