# Turns the modules of a nixpkgs into one module that gives their declarations only, apart from those in force.
{
  lib,
  # The tree of the options that we declare.
  ours,
  # The options that the host's own modules declare: a list of trees.
  hosts,
  # The files in force, as the names of a set.
  inForce,
}:
let
  inherit (builtins) intersectAttrs;
  additions = import ./additions.nix { inherit lib; };
  fileOf = import ./module-file.nix;

  isFile = m: builtins.isPath m || builtins.isString m;
  fileWith = name: set: (builtins.unsafeGetAttrPos name set).file or null;

  # What `mkRenamedOptionModule` and its kin give works in every module, since an old name must lead to the new one.
  # They are known by the file of the library that writes them, all that they have, so that no other module passes for
  # one, and none adds to one what would act.
  library = fileWith "options" (lib.mkRemovedOptionModule [ "a" ] "" { options = { }; });
  isRename =
    m:
    m ? options
    && lib.all (name: (name == "options" || name == "config") && fileWith name m == library) (
      builtins.attrNames m
    );

  # The options of a rename, with what they set instead, and without the type of that: the library asks for it before it
  # knows the names, and it may need packages. Nothing is lost, since such an option has no value of its own.
  renames =
    leadsTo:
    builtins.mapAttrs (
      _name: o:
      if lib.isOption o then removeAttrs o [ "type" ] // { inherit leadsTo; } else renames leadsTo o
    );

  # Whether options are among ours. It does not look at the declarations, which may depend on others.
  touches =
    ours: theirs:
    lib.any (name: lib.isOption ours.${name} || touches ours.${name} theirs.${name}) (
      builtins.attrNames (builtins.intersectAttrs ours theirs)
    );

  # What a host declares by itself is its own, where NixOS has an option of that name which says the same things of it:
  # the module system takes no two of them. Types, which it joins, are not looked at.
  said = [
    "apply"
    "default"
    "description"
    "example"
  ];
  clashes = hosts: theirs: lib.any (name: hosts ? ${name} && theirs ? ${name}) said;
  givingWay =
    hosts: theirs:
    let
      shared = intersectAttrs hosts theirs;
      left = lib.filterAttrs (_name: o: o != null) (
        builtins.mapAttrs (
          name: host:
          if lib.isOption host then
            if lib.isOption theirs.${name} && clashes host theirs.${name} then null else theirs.${name}
          else if lib.isOption theirs.${name} then
            theirs.${name}
          else
            givingWay host theirs.${name}
        ) (intersectAttrs theirs hosts)
      );
    in
    if shared == { } then theirs else removeAttrs theirs (builtins.attrNames shared) // left;
  leftOf = theirs: lib.foldl' (left: host: givingWay host left) theirs hosts;
in
# A list of modules, most of them files.
modules:
{ config, ... }@args:
let
  # Calls a module as the module system does.
  apply =
    args: file: f:
    let
      argument =
        name: _optional:
        builtins.addErrorContext "while evaluating the argument `${name}` of the module `${file}`:" (
          config._module.args.${name}
        );
      others = removeAttrs (lib.functionArgs f) (builtins.attrNames args);
    in
    f (if others == { } then args else args // builtins.mapAttrs argument others);
  called = file: m: if lib.isFunction m then apply args file m else m;

  # The name by which messages know a module, and `disabledModules`.
  nameOf =
    m:
    intersectAttrs {
      _file = null;
      key = null;
    } m;

  # A module of which only the declarations count.
  declare =
    file: m:
    nameOf m
    // {
      options = additions.of {
        inherit ours;
        theirs = leftOf (m.options or { });
        definitionsCount = false;
      };
      imports = map (nested declare file) (m.imports or [ ]);
    };

  # A module in force: only the declarations that are ours are missing.
  force =
    file: m:
    if m ? _type then
      { config = m; }
    else
      m
      // lib.optionalAttrs (m ? options) {
        options = additions.of {
          inherit ours;
          theirs = leftOf m.options;
          definitionsCount = true;
        };
      }
      // lib.optionalAttrs (m ? imports) { imports = map (nested force file) m.imports; };

  # What a module imports: a file stands for itself, anything else is as its module is.
  nested =
    kind: parent: written:
    let
      m = called parent written;
      alone = if lib.isFunction written then apply (args // { options = { }; }) parent written else m;
    in
    if isFile written then
      file written
    else if !(isRename alone) then
      kind parent m
    # An old name that is an option of ours needs no renaming.
    else if touches ours alone.options then
      { }
    else
      m // { options = renames m.config alone.options; };

  file =
    written:
    let
      path = fileOf written;
      m = called path (
        if builtins.pathExists path then
          import (/. + path)
        else
          throw "the nixpkgs is incomplete: it has no `${path}`, which its list of modules or another module names\nhint: give the folder of a whole nixpkgs"
      );
    in
    {
      _file = path;
    }
    // (if inForce ? ${path} then force else declare) path m
    // {
      key = path;
    };
in
{
  imports = map (nested declare "module-list.nix") modules;
}
