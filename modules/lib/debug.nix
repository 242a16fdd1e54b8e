# Looking at values while they are evaluated, and tests of expressions.
{ lib }:
let
  inherit (builtins)
    attrNames
    deepSeq
    isAttrs
    isList
    mapAttrs
    ;
in
rec {
  inherit (builtins)
    addErrorContext
    trace
    tryEval
    unsafeGetAttrPos
    ;

  traceIf =
    cond: message: x:
    if cond then trace message x else x;
  traceVal = traceValFn (x: x);
  traceValFn = f: x: trace (f x) x;
  traceSeq = x: y: trace (deepSeq x x) y;
  traceSeqN =
    depth: x: y:
    let
      cut =
        n: v:
        if isList v then
          if n == 0 then lib.optional (v != [ ]) "…" else map (cut (n - 1)) v
        else if isAttrs v then
          if n == 0 then lib.optionalAttrs (v != { }) { "…" = "…"; } else mapAttrs (_: cut (n - 1)) v
        else
          v;
    in
    trace (lib.generators.toPretty { allowPrettyValues = true; } (cut depth x)) y;
  traceValSeq = traceValSeqFn (x: x);
  traceValSeqFn = f: x: traceValFn f (deepSeq x x);
  traceValSeqN = traceValSeqNFn (x: x);
  traceValSeqNFn =
    f: depth: x:
    traceSeqN depth (f x) x;
  traceFnSeqN =
    depth: name: f: x:
    let
      result = f x;
    in
    traceSeqN (depth + 1) {
      fn = name;
      from = x;
      to = result;
    } result;

  # The tests `{ expr; expected; }` of a set whose result is not what was expected.
  runTests =
    tests:
    let
      chosen = tests.tests or null;
      names = lib.filter (n: chosen == null || lib.elem n chosen) (
        lib.filter (n: lib.hasPrefix "test" n && n != "tests" || chosen != null && n != "tests") (
          attrNames tests
        )
      );
      run =
        name:
        let
          test = tests.${name};
        in
        lib.optional (test.expr != test.expected) {
          inherit name;
          inherit (test) expected;
          result = test.expr;
        };
    in
    lib.concatMap run names;

  throwTestFailures =
    {
      failures,
      description ? "tests",
      ...
    }:
    if failures == [ ] then
      null
    else
      throw "${toString (lib.length failures)} ${description} failed:\n${
        lib.generators.toPretty { allowPrettyValues = true; } failures
      }";

  testAllTrue = expr: {
    inherit expr;
    expected = map (_: true) expr;
  };
}
