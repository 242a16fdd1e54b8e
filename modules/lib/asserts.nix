# Assertions inside expressions.
{ lib }:
let
  quoted = lib.generators.toPretty { };
in
rec {
  # True, or ends the evaluation with a message: `assert assertMsg (…) "…"; value`.
  assertMsg = cond: message: cond || throw message;

  assertOneOf =
    name: val: valid:
    assertMsg (lib.elem val valid) "${name} must be one of ${quoted valid}, but is: ${quoted val}";

  assertEachOneOf =
    name: vals: valid:
    assertMsg (lib.all (
      v: lib.elem v valid
    ) vals) "each element in ${name} must be one of ${quoted valid}, but is: ${quoted vals}";

  # Returns the value if every `{ assertion; message; }` holds; else lists the messages.
  checkAssertWarn =
    assertions: warnings: val:
    let
      failed = map (a: a.message) (lib.filter (a: !a.assertion) assertions);
    in
    if failed == [ ] then
      lib.showWarnings warnings val
    else
      throw "Failed assertions:\n${lib.concatMapStringsSep "\n" (m: "- ${m}") failed}";
}
