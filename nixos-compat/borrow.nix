# Turns the modules of a nixpkgs into modules that give declarations only, apart from those in force.
{
  lib,
  # The tree of the options that we declare.
  ours,
}:
let
  subtract = import ./subtract.nix { inherit lib; };
  onceLists = import ./once-lists.nix { inherit lib; };
  unitNames = import ./unit-names.nix { inherit lib; };
  asToday = config: unitNames (onceLists config);
  fileOf = import ./module-file.nix;

  isFile = m: builtins.isPath m || builtins.isString m;

  # What `mkRenamedOptionModule` and its kin give is a function of nothing but these. They work in every
  # module, since an old name must lead to the new one.
  isRename =
    m:
    lib.isFunction m
    &&
      removeAttrs (lib.functionArgs m) [
        "config"
        "options"
      ] == { };

  # Applies a change to a module, whatever its form.
  change =
    f: value:
    if lib.isFunction value then
      lib.setFunctionArgs (args: f (value args)) (lib.functionArgs value)
    else
      f value;

  hasDeclarations = m: m ? options;

  # Whether options are among ours. It does not look at the declarations, which may depend on others.
  touches =
    ours: theirs:
    lib.any (name: lib.isOption ours.${name} || touches ours.${name} theirs.${name}) (
      builtins.attrNames (builtins.intersectAttrs ours theirs)
    );

  # An old name that is an option of ours needs no renaming.
  rename = change (m: if touches ours (m.options or { }) then { } else m);

  # A module of which only the declarations count.
  declare =
    inForce:
    change (m: {
      options = subtract ours (m.options or { });
      imports = map (nested inForce) (m.imports or (m.require or [ ]));
    });

  nested =
    inForce: m:
    if isFile m then
      file inForce m
    else if isRename m then
      rename m
    else
      declare inForce m;

  # A module in force: only the declarations that are ours are missing.
  force =
    inForce:
    change (
      m:
      m
      // lib.optionalAttrs (hasDeclarations m) { options = subtract ours m.options; }
      // (if m ? config then { config = asToday m.config; } else asToday m)
      // lib.optionalAttrs (m ? imports || m ? require) {
        imports = map (nestedInForce inForce) (m.imports or m.require);
      }
    );

  nestedInForce = inForce: m: if isFile m || isRename m then nested inForce m else force inForce m;

  # Keeps the name by which messages and `disabledModules` know a module.
  named =
    path:
    change (
      m:
      {
        key = path;
        _file = m._file or path;
      }
      // (
        if m ? _type then
          { config = m; }
        else
          removeAttrs m [
            "_file"
            "key"
          ]
      )
    );

  file =
    inForce: written:
    let
      path = fileOf written;
      module = import (/. + path);
    in
    named path (if inForce ? ${path} then force inForce module else declare inForce module);
in
# A list of modules, most of them files, and the set of those files that are in force.
modules: inForce: map (nested inForce) modules
