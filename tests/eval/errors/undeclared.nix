# error: The option `boot
# error: does not exist
# error: undeclared.nix:5
{
  boot.loader.grub.enable = true;
}
