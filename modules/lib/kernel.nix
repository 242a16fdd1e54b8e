# Answers to the questions of a kernel configuration.
{ lib }:
let
  answer = tristate: {
    inherit tristate;
    optional = false;
  };
in
{
  yes = answer "y";
  no = answer "n";
  module = answer "m";
  unset = answer null;
  option = x: x // { optional = true; };
  freeform = text: { freeform = text; };

  # Chooses answers by the version of the kernel.
  whenHelpers =
    version:
    let
      when = cond: x: if cond then x else { };
    in
    {
      whenAtLeast = v: when (lib.versionAtLeast version v);
      whenOlder = v: when (lib.versionOlder version v);
      whenBetween = low: high: when (lib.versionAtLeast version low && lib.versionOlder version high);
    };
}
