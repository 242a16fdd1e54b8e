"""A script on machines that a JSON file names, as a program."""

import sys

from driver.command import main

sys.exit(main())
