"""Runs a program of this folder by its name, from wherever: python3 vm-tests NAME [ARGUMENTS]."""

import runpy
import sys

name, *arguments = sys.argv[1:]
sys.argv = [name, *arguments]
runpy.run_module(name, run_name="__main__", alter_sys=True)
