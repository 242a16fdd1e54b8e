# No NixOS module, and none of its options: the layer stays out of the way.
{ options, ... }:
{
  environment.etc."layer".text = if options ? services then "there" else "not there";
}
