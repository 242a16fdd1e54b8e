# The machine of the NixOS host: replace it by what `nixos-generate-config` writes there.
{
  boot.loader.grub.device = "/dev/sda";
  fileSystems."/" = {
    device = "/dev/sda1";
    fsType = "ext4";
  };
  system.stateVersion = "24.11";
}
