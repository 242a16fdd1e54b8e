# Functions about functions, numbers, warnings and single values.
{ lib }:
let
  inherit (builtins)
    elem
    trace
    ;

  escape = builtins.fromJSON ''"\u001b"'';

  # Colours the text of a warning the way Nix itself does.
  magenta = text: "${escape}[1;35m${text}${escape}[0m";

  abortOnWarn = elem (builtins.getEnv "NIX_ABORT_ON_WARN") [
    "1"
    "true"
    "yes"
  ];

  # Nix has had a builtin for this since 2.23, which `--option abort-on-warn` governs.
  warn =
    builtins.warn or (
      message:
      if abortOnWarn then
        trace (magenta "evaluation warning: ${message}") (
          abort "NIX_ABORT_ON_WARN is set; warnings end the evaluation."
        )
      else
        trace (magenta "evaluation warning: ${message}")
    );

  oldestSupported = 2505;

  hexDigits = lib.stringToCharacters "0123456789ABCDEF";
in
rec {
  inherit (builtins)
    add
    bitAnd
    bitOr
    bitXor
    ceil
    deepSeq
    div
    floor
    fromJSON
    fromTOML
    genericClosure
    isBool
    isFloat
    isInt
    isPath
    lessThan
    mul
    pathExists
    readFile
    seq
    sub
    ;
  inherit warn;

  # Returns its argument.
  id = x: x;

  # Returns its first argument.
  const = x: _: x;

  # Applies the functions of a list, from the left, to a value.
  pipe = builtins.foldl' (x: f: f x);

  concat = x: y: x ++ y;
  or = x: y: x || y;
  and = x: y: x && y;
  xor = x: y: (!x) != (!y);
  bitNot = builtins.sub (-1);
  boolToString = b: if b then "true" else "false";
  boolToYesNo = b: if b then "yes" else "no";

  # Merges two attribute sets; the second one wins.
  mergeAttrs = x: y: x // y;

  flip =
    f: a: b:
    f b a;

  # Applies a function to a value unless that value is null.
  mapNullable = f: x: if x == null then null else f x;
  defaultTo = default: x: if x == null then default else x;

  min = x: y: if x < y then x else y;
  max = x: y: if x > y then x else y;

  # The remainder that keeps the sign of the dividend.
  mod = base: int: base - (int * (builtins.div base int));

  # -1, 0 or 1, as `a` is below, equal to or above `b`.
  compare =
    a: b:
    if a < b then
      -1
    else if a > b then
      1
    else
      0;

  # Compares by a predicate first: values for which it holds come before the others.
  splitByAndCompare =
    p: yes: no: a: b:
    if p a then
      if p b then yes a b else -1
    else if p b then
      1
    else
      no a b;

  importJSON = path: builtins.fromJSON (readFile path);
  importTOML = path: builtins.fromTOML (readFile path);

  warnIf = cond: message: if cond then warn message else id;
  warnIfNot = cond: message: if cond then id else warn message;
  throwIf = cond: message: if cond then throw message else id;
  throwIfNot = cond: message: if cond then id else throw message;
  info = message: trace "INFO: ${message}";
  showWarnings = warnings: result: builtins.foldl' (next: message: warn message next) result warnings;

  # The release this library's behaviour follows, as the modules ask for it.
  trivialRelease = "25.11";
  release = trivialRelease;
  version = "${release}.embedded";
  versionSuffix = ".embedded";
  codeName = "embedded";
  inherit oldestSupported;
  oldestSupportedRelease = oldestSupported;
  isInOldestRelease = at: at <= oldestSupported;
  oldestSupportedReleaseIsAtLeast = at: at <= oldestSupported;
  revisionWithDefault = default: default;
  nixpkgsVersion = version;
  inNixShell = builtins.getEnv "IN_NIX_SHELL" != "";
  inPureEvalMode = !(builtins ? currentSystem);

  # Whether a value can be called; a set with `__functor` can.
  isFunction = f: builtins.isFunction f || (f ? __functor && isFunction (f.__functor f));

  # The named arguments of a function, honouring `setFunctionArgs`.
  functionArgs =
    f:
    if f ? __functor then
      f.__functionArgs or (functionArgs (f.__functor f))
    else
      builtins.functionArgs f;

  # Gives a function other named arguments than those it is written with.
  setFunctionArgs = f: args: {
    __functor = _self: f;
    __functionArgs = args;
  };

  # Gives `g` the named arguments of `f`.
  mirrorFunctionArgs =
    f:
    let
      args = functionArgs f;
    in
    g: setFunctionArgs g args;

  toFunction = v: if isFunction v then v else _: v;

  # A number in upper-case hexadecimal digits, without a prefix.
  toHexString = n: lib.concatMapStrings (d: builtins.elemAt hexDigits d) (toBaseDigits 16 n);

  fromHexString =
    text:
    let
      digits = lib.removePrefix "0x" (lib.toLower text);
      valid = builtins.match "[0-9a-f]+" digits != null;
    in
    if valid then
      (builtins.fromTOML "n=0x${digits}").n
    else
      throw "fromHexString: `${text}' is not a hexadecimal number";

  # The digits of a whole number in a base, the most significant first.
  toBaseDigits =
    base: n:
    let
      go =
        rest: digits:
        if rest < base then [ rest ] ++ digits else go (rest / base) ([ (mod rest base) ] ++ digits);
    in
    assert isInt base && base >= 2;
    assert isInt n && n >= 0;
    go n [ ];

  # Checks a value against an enumeration, and returns it.
  checkListOfEnum =
    what: valid: given: val:
    let
      wrong = lib.subtractLists valid given;
    in
    if wrong == [ ] then
      val
    else
      throw "${what}: ${lib.concatStringsSep ", " (map toString wrong)} unexpected; valid ones: ${lib.concatStringsSep ", " (map toString valid)}";
}
