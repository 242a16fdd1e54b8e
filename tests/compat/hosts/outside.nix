# It imports no module of NixOS and sets none of its options, and yet needs them.
{
  imports = [ ../outside/reader.nix ];
}
