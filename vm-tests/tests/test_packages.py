"""The packages of these files are built upon each other in one order. No machine is needed."""

from __future__ import annotations

import re

from program.host import VM_TESTS

# From the ground up, as CONTRIBUTING.md lists them.
_ORDER = ("base", "lines", "api", "images", "kinds", "judges", "program", "driver", "nixos_test", "ways", "tests")
_IMPORT = re.compile(r"^ *(?:from|import) (\w+)", re.MULTILINE)


def test_no_package_imports_one_that_is_built_on_it() -> None:
    upward = [
        f"{file.relative_to(VM_TESTS)} imports {imported}"
        for place, package in enumerate(_ORDER)
        for file in sorted((VM_TESTS / package).rglob("*.py"))
        for imported in _IMPORT.findall(file.read_text())
        if imported in _ORDER[place + 1 :]
    ]
    assert upward == []


def test_every_package_has_its_place_in_the_order() -> None:
    assert {file.parent.name for file in VM_TESTS.glob("*/*.py")} == set(_ORDER)
