# The embedded library under a version that nixpkgs could have.
import ../../../../modules/lib // { version = "26.11stand-in"; }
