# error: system-manager.nvidia.version: NVIDIA's libraries are made from a nixpkgs, and there is none; name one with --nixpkgs
{
  system-manager.nvidia.version = "550.54.14";
}
