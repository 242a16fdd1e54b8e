# A stand-in for nixpkgs, with one package that is never built.
{
  system,
  config ? { },
  overlays ? [ ],
}:
{
  inherit config overlays;
  hello = derivation {
    name = "hello-2.12";
    builder = "/none";
    inherit system;
  };
}
