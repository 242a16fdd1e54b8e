# error: `config.system.build.nixos-rebuild` is read, which only NixOS has
# error: hint: --show-trace says which module reads it
{ config, ... }:
{
  environment.etc."rebuild".text = "${config.system.build.nixos-rebuild}";
}
