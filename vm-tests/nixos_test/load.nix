# Reads a test's file, in any of the forms that nixpkgs has used for its own tests, and gives it as a module.
#
# - a module, or a function that gives one: `{ pkgs, ... }: { name = ...; nodes = ...; testScript = ...; }`
# - `import ./make-test-python.nix (...)`, in which that file is nixpkgs's own and need not be there
# - `with import ../lib/testing-python.nix { ... }; makeTest { ... }`, and sets of such tests
{ lib, pkgs }:
{
  file,
  test ? null,
}:
let
  isFile = builtins.isPath file || builtins.isString file;
  named = lib.removeSuffix ".nix" (baseNameOf (toString file));
  args = {
    inherit lib pkgs;
    inherit (pkgs.stdenv.hostPlatform) system;
    config = { };
    # What files that hold several tests make each of them with.
    inherit makeTest;
    runTest = makeModule;
  };

  # Gives a function what it names and we have; the rest must have defaults. What nixpkgs's list of tests gives to one
  # of them besides is a package: by its own name, or as `package`, that of the test.
  call =
    f:
    let
      asked = lib.functionArgs f;
      packages = removeAttrs (builtins.intersectAttrs asked pkgs) (
        builtins.filter (name: asked.${name}) (builtins.attrNames asked)
      );
      own = lib.optionalAttrs (isFile && asked ? package) { package = pkgs.${named}; };
    in
    if lib.isFunction f then
      f (if asked == { } then args else packages // own // builtins.intersectAttrs asked args)
    else
      f;

  isModule =
    value:
    value ? testScript || value ? nodes || value ? machine || value ? containers || value ? imports;

  # Tests of the older forms are sets that may hold more than a test, such as what their `rec` is for.
  known = (lib.evalModules { modules = [ ./options.nix ]; }).options // {
    machine = null;
  };
  makeTest =
    test:
    makeModule (
      builtins.intersectAttrs known (
        if lib.isFunction test then
          (if lib.functionArgs test == { } then test { inherit (args) lib pkgs system; } else call test)
        else
          test
      )
    );
  testing = {
    inherit makeTest;
    simpleTest = makeTest;
    inherit (args) pkgs system;
  };

  # What nixpkgs has beside its tests, which is not part of a test and may be missing.
  replaced = {
    "make-test-python.nix" = test: makeTest test // { __functor = _self: _args: makeTest test; };
    "testing-python.nix" = _args: testing;
    "make-test.nix" = throw "the script is in Perl, of the years before 2020";
    "testing.nix" = throw "the script is in Perl, of the years before 2020";
  };
  base = path: baseNameOf (toString path);
  # The packages of a server's versions, from which a test is made for each.
  versions = {
    "pkgs/servers/sql/postgresql" =
      packages: lib.filterAttrs (n: _p: lib.hasPrefix "postgresql_" n) packages.hostPrograms or packages;
  };
  versionsOf =
    path:
    lib.findFirst (folder: lib.hasSuffix "/${folder}" (toString path)) null (
      builtins.attrNames versions
    );
  importWithin =
    path:
    if builtins.isAttrs path then
      import path
    else if versionsOf path != null then
      versions.${versionsOf path}
    else
      replaced.${base path} or (builtins.scopedImport { import = importWithin; } path);

  # A function that asks for the `config` of a test is a module; others may have defaults, which a module's have not.
  asValue =
    value:
    if lib.isFunction value && !(value ? _type) && lib.functionArgs value ? config then
      let
        called = call value;
      in
      # A test of the old form asks for nixpkgs's `config`, and gives tests.
      if called ? _type || !(isModule called) then called else makeModule value
    else
      call value;
  makeModule = module: {
    _type = "nixos-test";
    inherit module;
  };
  asTest = value: if isModule value then makeModule value else value;

  isTest = value: value._type or null == "nixos-test";
  # The names of all tests in a set.
  names =
    prefix: value:
    if isTest (asTest value) then
      [ (lib.concatStringsSep "." prefix) ]
    else if builtins.isAttrs value then
      lib.concatLists (lib.mapAttrsToList (name: names (prefix ++ [ name ])) value)
    else
      [ ];
  called = if isFile then toString file else "the test";
  value = if isFile then importWithin (/. + toString file) else file;
  loaded = asTest (asValue value);
  all = names [ ] loaded;
  listed = lib.concatMapStringsSep ", " (n: "`${n}`") all;
  chosen = asTest (
    lib.attrByPath (lib.splitString "." test)
      (throw "${called} has no test `${test}`; it has ${listed}")
      loaded
  );
in
if test != null then
  chosen.module
else if isTest loaded then
  loaded.module
else if all == [ ] then
  throw "${called} holds no test: a test has `nodes` and a `testScript`"
else if builtins.length all == 1 then
  (asTest (lib.attrByPath (lib.splitString "." (builtins.head all)) null loaded)).module
else
  throw "${called} holds several tests\nhint: choose one with --test NAME: ${listed}"
