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

  setting = path: file: value: option: {
    inherit
      path
      file
      value
      option
      ;
  };

  follow =
    file: path: tree: value:
    if isOption tree then
      [ (setting path file value tree) ] ++ lib.optionals (isExtended tree) (inside file path tree value)
    else
      lib.concatMap (
        attrs:
        lib.concatLists (
          lib.mapAttrsToList (
            name: v:
            if tree ? ${name} then
              follow file (path ++ [ name ]) tree.${name} v
            else
              [ (setting (path ++ [ name ]) file v null) ]
          ) (lib.optionalAttrs (isAttrs attrs) attrs)
        )
      ) (discharge value);

  # Follows the values of `attrsOf submodule`; in lists they have no name, and functions are not looked into.
  inside =
    file: path: option: value:
    let
      tree = option.type.getSubOptions path;
    in
    lib.concatMap (
      attrs:
      lib.concatLists (
        lib.mapAttrsToList (name: follow file (path ++ [ name ]) tree) (
          lib.optionalAttrs (isAttrs attrs) attrs
        )
      )
    ) (discharge value);
in
{
  inherit discharge;

  # Gives each option that the modules set: its path, the option (null when there is none), the file, the value.
  settings = { options, modules }: lib.concatMap (m: follow m.file [ ] options m.definitions) modules;
}
