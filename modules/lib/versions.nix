# Version strings.
{ lib }:
let
  inherit (builtins) elemAt match;
in
rec {
  inherit (builtins) compareVersions;
  splitVersion = builtins.splitVersion;
  major = v: elemAt (splitVersion v) 0;
  minor = v: elemAt (splitVersion v) 1;
  patch = v: elemAt (splitVersion v) 2;
  majorMinor = v: lib.concatStringsSep "." (lib.take 2 (splitVersion v));

  # The version with zeros added or components cut, to have `n` of them.
  pad =
    n: version:
    let
      # What follows the first `-` is kept as it is.
      parts = match "([^-]*)(-.*)?" version;
      numbers = lib.take n (splitVersion (elemAt parts 0) ++ lib.replicate n "0");
      suffix = elemAt parts 1;
    in
    lib.concatStringsSep "." numbers + (if suffix == null then "" else suffix);

}
