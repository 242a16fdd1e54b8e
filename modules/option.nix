# What the options of a host's configuration are: for `system-manager option`, and the scope of `system-manager repl`.
{
  # The host, as makeSystemConfig gives it.
  host ? (import ../. { inherit nixpkgs system; }).evalFile { inherit file; },
  # Or its file, and the folder of a nixpkgs.
  file ? null,
  nixpkgs ? null,
  system ? builtins.currentSystem,
  # The option, dotted, or a part of names; nothing stands for all at the top.
  name ? "",
  # Whether values are looked at: one that can't be evaluated ends the evaluation.
  values ? true,
}:
let
  lib = import ../nixos-compat/library.nix { inherit nixpkgs; };
  embedded = import ./lib;
  inherit (if nixpkgs == null then embedded else lib)
    attrByPath
    concatMap
    escapeNixIdentifier
    filterAttrs
    isDerivation
    isOption
    showOption
    splitString
    take
    ;
  inherit (builtins)
    attrNames
    isAttrs
    isFunction
    isList
    isString
    toJSON
    typeOf
    unsafeDiscardStringContext
    ;

  path = if name == "" then [ ] else splitString "." name;
  at = path: attrByPath path null host.options;
  found = at path;

  # The option that has what is named inside of its value.
  around =
    path:
    let
      option = at path;
    in
    if path == [ ] then
      null
    else if option != null && isOption option then
      option
    else
      around (take (builtins.length path - 1) path);

  isHidden = n: n == "_module" || n == "_definedNames";

  # All names of options below, without looking into what they hold.
  namesBelow =
    at: options:
    concatMap (
      n:
      let
        inner = options.${n};
      in
      if isHidden n then
        [ ]
      else if isOption inner then
        [ (showOption (at ++ [ n ])) ]
      else if isAttrs inner then
        namesBelow (at ++ [ n ]) inner
      else
        [ ]
    ) (attrNames options);

  # The values that a definition stands for: `mkIf` with a condition that is false stands for none.
  discharge =
    value:
    let
      type = if isAttrs value then value._type or "" else "";
    in
    if type == "if" then
      (if value.condition then discharge value.content else [ ])
    else if type == "merge" then
      concatMap discharge value.contents
    else if type == "override" || type == "order" then
      discharge value.content
    else
      [ value ];
  saysSomething = value: value != [ ] && value != { };
  # The same inside of a set.
  clean =
    value:
    if isAttrs value && !(isDerivation value) && !(value ? _type) then
      filterAttrs (_n: saysSomething) (
        builtins.mapAttrs (
          _n: v:
          let
            all = discharge v;
          in
          if all == [ ] then { } else clean (builtins.head all)
        ) value
      )
    else
      value;

  # A value as a text, as deep as is of use; what is a package is its name.
  show =
    depth: value:
    let
      tried = builtins.tryEval value;
      v = tried.value;
      inner = show (depth - 1);
    in
    if !tried.success then
      "<error>"
    else if isString v then
      unsafeDiscardStringContext (toJSON v)
    else if isDerivation v then
      "<package ${v.name or "?"}>"
    else if isFunction v || isAttrs v && v ? __functor then
      "<function>"
    else if isList v && depth > 0 then
      "[ ${unsafeDiscardStringContext (toString (map inner v))} ]"
    else if isAttrs v && depth > 0 then
      "{ ${
        unsafeDiscardStringContext (
          toString (
            map (n: "${escapeNixIdentifier n} = ${inner v.${n}};") (
              attrNames (filterAttrs (n: _v: !(isHidden n)) v)
            )
          )
        )
      } }"
    else if isList v || isAttrs v then
      "..."
    else if typeOf v == "path" then
      toString v
    else
      toJSON v;

  # A text of the documentation, in whichever form.
  text =
    value:
    if value == null then
      null
    else if isString value then
      value
    else
      value.text or null;

  depth = 4;
  details = option: {
    name = showOption option.loc;
    type = option.type.description or option.type.name or null;
    description = text (option.description or null);
    default =
      if option ? defaultText then
        text option.defaultText
      else if option ? default then
        show depth option.default
      else
        null;
    value = if values && (option.isDefined or false) then show depth option.value else null;
    # What can't be evaluated is set by something.
    isDefined = !values || option.isDefined or false;
    declaredIn = map (
      p: "${toString p.file}${if p.line or null == null then "" else ":${toString p.line}"}"
    ) (option.declarationPositions or (map (file: { inherit file; }) option.declarations));
    definitions =
      if values then
        concatMap (
          d:
          map (v: {
            file = toString d.file;
            value = show depth v;
          }) (builtins.filter saysSomething (map clean (discharge d.value)))
        ) (option.definitionsWithLocations or [ ])
      else
        [ ];
    hasNoEffect =
      values
      && builtins.any (e: e.option == showOption option.loc) (host.config.system-manager.noEffect or [ ]);
  };

  names = namesBelow [ ] host.options;
in
{
  inherit names;

  answer =
    if name == "" then
      { below = attrNames (removeAttrs host.options [ "_module" ]); }
    else if around path != null then
      { option = details (around path); }
    else if found != null && isAttrs found then
      { below = namesBelow path found; }
    else
      # Which of them may be meant is for the program to say.
      { matching = names; };

  scope = {
    inherit (host) config options;
    inherit (host.config._module.args) pkgs;
    lib = if nixpkgs == null then embedded else lib;
  };
}
