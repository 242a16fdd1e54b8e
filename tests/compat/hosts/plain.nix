# A host that wants none of NixOS's options does not have them.
{ options, ... }:
{
  nixos-compat.enable = false;
  environment.etc."layer".text = if options ? networking.resolvers then "there" else "not there";
}
