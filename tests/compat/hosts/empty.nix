# Options of NixOS are there by themselves, and leave no trace on a host that uses nothing of them.
{ options, ... }:
{
  environment.etc."layer".text = if options ? networking.resolvers then "there" else "not there";
}
