# Finds the modules that a list of modules imports, with what they define, before anything is merged.
#
# The module system keeps no such list, and it is needed twice: to know which NixOS modules are in force, and
# to know who defines what.
{
  lib,
  # The folder of NixOS's modules, as a string without context.
  root,
}:
{
  # The arguments that module functions are called with.
  args,
  # Gives any other argument by its name.
  argument ? name: throw "the module argument `${name}` cannot be used in `imports`",
}:
let
  fileOf = import ./module-file.nix;

  call =
    f:
    let
      wanted = removeAttrs (lib.functionArgs f) (builtins.attrNames args);
    in
    f (args // builtins.mapAttrs (name: _optional: argument name) wanted);

  isProperty =
    m:
    builtins.elem (m._type or "module") [
      "if"
      "merge"
      "override"
      "order"
    ];

  # The definitions of a module, in either of its two forms.
  definitionsOf =
    m:
    if isProperty m then
      m
    else if m ? config || m ? options then
      (if isProperty (m.config or { }) then m.config else removeAttrs (m.config or { }) [ "_module" ])
    else
      removeAttrs m [
        "_class"
        "_file"
        "_module"
        "key"
        "disabledModules"
        "imports"
        "freeformType"
        "meta"
      ];

  load =
    parent: n: x:
    let
      isFile = builtins.isPath x || builtins.isString x || (builtins.isAttrs x && x ? outPath);
      file = fileOf x;
      value = if isFile then import (if builtins.isString x then x else /. + file) else x;
      m = if lib.isFunction value then call value else value;
      key =
        if isFile then
          file
        else
          toString (if isProperty m then null else m.key or "${parent.key}:anon-${toString n}");
    in
    {
      inherit key;
      # What `disabledModules` has to name in order to leave this import out.
      written = if isFile then builtins.unsafeDiscardStringContext (toString x) else key;
      file = if isFile then file else toString (m._file or parent.file);
      inTree = isFile && lib.hasPrefix "${root}/" file;
      # Some of the tree's modules import files that are beside its folder.
      ofTree =
        parent.ofTree or false
        || lib.hasPrefix "${root}/" (if isFile then file else toString (m._file or ""));
      inherit isFile;
      definitions = definitionsOf m;
      # The options that it declares.
      options = if isProperty m then { } else m.options or { };
      disabled = map (
        d:
        if builtins.isAttrs d && !(d ? outPath) then
          toString (d.key or "")
        else if builtins.isString d && !(lib.hasPrefix "/" d) then
          fileOf "${root}/${d}"
        else
          fileOf d
      ) (if isProperty m then [ ] else m.disabledModules or [ ]);
      imports = if isProperty m then [ ] else m.imports or [ ];
    };

  loadAll = parent: modules: lib.imap1 (load parent) modules;
in
modules:
builtins.genericClosure {
  startSet = loadAll {
    key = "";
    file = "<unknown-file>";
  } modules;
  operator = m: loadAll m m.imports;
}
