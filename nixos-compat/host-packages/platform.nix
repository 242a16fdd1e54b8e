# What modules ask about the target's platform.
{ lib, system }:
let
  parts = lib.splitString "-" system;
  cpu = lib.head parts;
in
{
  inherit system;
  config = "${cpu}-unknown-linux-gnu";
  parsed.cpu.name = cpu;
  isLinux = lib.last parts == "linux";
  isDarwin = false;
  isx86_64 = cpu == "x86_64";
  isAarch64 = cpu == "aarch64";
  isMusl = false;
  isGnu = true;
  libc = "glibc";
  canExecute = other: other.system or null == system;
}
