# The activation scripts of NixOS itself. What they do, the distribution or this project has done before any script of a
# configuration runs, so that scripts can name them in `deps`.
[
  "binsh"
  "domain"
  "etc"
  "groups"
  "hashes"
  "hostname"
  "ldso"
  "lingering"
  "modprobe"
  "nix"
  "resolvconf"
  "specialfs"
  "stdio"
  "udevd"
  "users"
  "usrbinenv"
  "var"
  "wrappers"
]
