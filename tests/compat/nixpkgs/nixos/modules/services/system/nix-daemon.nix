# Its work is the distribution's, and the value that others read has no default.
{ lib, ... }:
{
  options.nix.nrBuildUsers = lib.mkOption {
    type = lib.types.int;
    description = "How many users build.";
  };
}
