# A stand-in for nixpkgs, with one package that is never built.
{
  localSystem,
  config ? { },
  overlays ? [ ],
}:
{
  inherit config overlays;
  hello = derivation {
    name = "hello-2.12";
    builder = "/none";
    inherit (localSystem) system;
  };
}
