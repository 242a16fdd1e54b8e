# Nothing is imported: what is enabled finds its module, and so does what that enables.
{
  nixos-compat.autoImport = true;
  services.webd = {
    enable = true;
    database = true;
  };
  # Its module is one that ours replace.
  nix.nrBuildUsers = 4;
  services.rotate.enable = true;
}
