# Follows raw definitions down to the options that they set.
{
  lib,
  # Whether an option of ours has options of NixOS in its submodules, which are followed as well.
  isExtended ? _option: false,
}:
let
  inherit (builtins) isAttrs;

  isOption = o: isAttrs o && o._type or "" == "option";

  # The values that a definition stands for, without those whose condition is false.
  discharge =
    value:
    let
      type = value._type or "";
    in
    if !isAttrs value then
      [ value ]
    else if type == "if" then
      (if value.condition then discharge value.content else [ ])
    else if type == "merge" then
      lib.concatMap discharge value.contents
    else if type == "override" || type == "order" then
      discharge value.content
    else
      [ value ];

  # `tree` is the option, or null where there is none. What `value` is in the end is known of an option by itself, and
  # not of one within a submodule.
  setting = path: file: value: tree: isNested: {
    inherit path file value;
    option = tree;
    isTrue =
      if tree == null then
        false
      else if isNested then
        lib.any (v: v == true) (discharge value)
      else
        tree.value or false == true;
  };

  follow =
    isNested: file: path: tree: value:
    if isOption tree then
      [ (setting path file value tree isNested) ]
      ++ lib.optionals (isExtended tree) (inside file path tree value)
    else
      below (
        name: v:
        if tree ? ${name} then
          follow isNested file (path ++ [ name ]) tree.${name} v
        else
          [ (setting (path ++ [ name ]) file v null isNested) ]
      ) value;

  # Follows the values of `attrsOf submodule`; in lists they have no name, and functions are not looked into.
  inside =
    file: path: option: value:
    let
      tree = option.type.getSubOptions path;
    in
    below (name: follow true file (path ++ [ name ]) tree) value;

  # What a function gives for each attribute of the sets that a definition stands for.
  below =
    f: value:
    lib.concatMap (
      attrs: lib.concatLists (lib.mapAttrsToList f (lib.optionalAttrs (isAttrs attrs) attrs))
    ) (discharge value);
in
{
  inherit discharge;

  # Gives each option that the modules set: its path, the option (null when there is none), the file, the value. What an
  # old name sets instead is among them.
  settingsOf =
    { options, modules }:
    let
      instead = s: follow false s.file [ ] options s.option.leadsTo;
      withNewNames =
        settings:
        let
          further = lib.concatMap instead (lib.filter (s: s.option ? leadsTo) settings);
        in
        settings ++ lib.optionals (further != [ ]) (withNewNames further);
    in
    withNewNames (lib.concatMap (m: follow false m.file [ ] options m.definitions) modules);
}
