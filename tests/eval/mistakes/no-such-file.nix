{
  imports = [ ./parts/none.nix ];
}
