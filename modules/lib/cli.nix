# Command lines from attribute sets.
{ lib }:
let
  inherit (builtins)
    concatMap
    isBool
    isList
    stringLength
    ;
  inherit (lib) mapAttrsToList;
  inherit (lib.generators) mkValueStringDefault;

  isShort = name: stringLength name == 1;
in
rec {
  # Options in the GNU style, as a list of arguments: true is a bare option, a list repeats it.
  toGNUCommandLine =
    {
      mkOptionName ? k: if isShort k then "-${k}" else "--${k}",
      mkBool ? k: v: lib.optional v (mkOptionName k),
      mkList ? k: v: concatMap (mkOption k) v,
      mkOption ?
        k: v:
        if v == null then
          [ ]
        else if optionValueSeparator == null then
          [
            (mkOptionName k)
            (mkValueStringDefault { } v)
          ]
        else
          [ "${mkOptionName k}${optionValueSeparator}${mkValueStringDefault { } v}" ],
      optionValueSeparator ? null,
    }:
    options:
    let
      render =
        k: v:
        if isBool v then
          mkBool k v
        else if isList v then
          mkList k v
        else
          mkOption k v;
    in
    lib.concatLists (mapAttrsToList render options);

  toGNUCommandLineShell = options: attrs: lib.escapeShellArgs (toGNUCommandLine options attrs);

  # Options in a style that a function of the name describes: `{ option; sep; explicitBool; formatArg?; }`.
  toCommandLine =
    format: attrs:
    let
      render =
        name: value:
        let
          option = format name;
          arg =
            value:
            let
              text = (option.formatArg or (mkValueStringDefault { })) value;
            in
            if option.sep == null then
              [
                option.option
                text
              ]
            else
              [ "${option.option}${option.sep}${text}" ];
        in
        if isList value then
          concatMap (render name) value
        else if value == null then
          [ ]
        else if isBool value && !option.explicitBool then
          lib.optional value option.option
        else
          arg value;
    in
    lib.concatLists (mapAttrsToList render attrs);
  toCommandLineShell = format: attrs: lib.escapeShellArgs (toCommandLine format attrs);

  toCommandLineGNU =
    {
      isLong ? name: !(isShort name),
      explicitBool ? false,
      formatArg ? mkValueStringDefault { },
    }:
    toCommandLine (name: {
      option = if isLong name then "--${name}" else "-${name}";
      sep = if isLong name then "=" else "";
      inherit explicitBool formatArg;
    });
  toCommandLineShellGNU = options: attrs: lib.escapeShellArgs (toCommandLineGNU options attrs);
}
