# error: system.autoUpgrade.enable needs exactly one of system.autoUpgrade.{flake,file,toplevel}, and has file, flake
{
  system.autoUpgrade = {
    enable = true;
    flake = "github:example/hosts";
    file = "/etc/system.nix";
  };
}
