# Who set what: for each thing that a configuration manages, the definitions behind it, with file, line and priority.
#
# It is a file of its own in the toplevel, `provenance.json`, which `system-manager why` reads and an activation does not.
{
  config,
  lib,
  options,
  systemManager,
  ...
}:
let
  inherit (builtins)
    attrNames
    isAttrs
    unsafeDiscardStringContext
    unsafeGetAttrPos
    ;

  dotted = lib.showOption;

  # Paths of the project and of nixpkgs say what they are, wherever these lie.
  places = {
    system-manager = toString ../.;
  }
  // lib.optionalAttrs (systemManager.nixpkgs != null) {
    nixpkgs = toString systemManager.nixpkgs;
  };
  shown =
    file:
    lib.foldl' (
      text: name:
      let
        place = unsafeDiscardStringContext places.${name};
      in
      if lib.hasPrefix "${place}/" text then "${name}${lib.removePrefix place text}" else text
    ) (unsafeDiscardStringContext (toString file)) (attrNames places);

  # The priority of a value, and the values that it stands for: `mkIf` with a condition that is false stands for none.
  discharge =
    priority: value:
    let
      type = value._type or "";
    in
    if !isAttrs value then
      [ { inherit priority value; } ]
    else if type == "if" then
      (if value.condition then discharge priority value.content else [ ])
    else if type == "merge" then
      lib.concatMap (discharge priority) value.contents
    else if type == "override" then
      discharge value.priority value.content
    else if type == "order" then
      discharge priority value.content
    else
      [ { inherit priority value; } ];

  # The settings below a definition's value, down to `depth` names.
  leaves =
    depth: path: at: defined:
    lib.concatMap (
      { priority, value }:
      if depth == 0 || !isAttrs value || attrNames value == [ ] || value ? _type || value ? outPath then
        [
          (
            {
              option = dotted path;
              inherit priority;
            }
            // at
          )
        ]
      else
        lib.concatMap (
          name:
          leaves (depth - 1) (path ++ [ name ]) (position at name value) {
            inherit priority;
            value = value.${name};
          }
        ) (attrNames value)
    ) (discharge defined.priority defined.value);

  # Where an attribute is written, or else what is known of the set.
  position =
    at: name: set:
    let
      found = unsafeGetAttrPos name set;
    in
    if found == null then
      at
    else
      {
        file = shown found.file;
        inherit (found) line;
      };

  # An option that is defined several times has the definitions of the lowest priority.
  judged =
    settings:
    let
      best = lib.mapAttrs (_option: same: lib.foldl' (n: s: lib.min n s.priority) 10000 same) (
        lib.groupBy (s: s.option) settings
      );
    in
    map (s: s // lib.optionalAttrs (s.priority > best.${s.option}) { loses = true; }) settings;

  # The definitions of one name of an option that holds a set.
  ofName =
    depth: option: name:
    judged (
      lib.concatMap (
        d:
        lib.optionals (isAttrs d.value && d.value ? ${name}) (
          leaves depth (option.loc ++ [ name ]) (position { file = shown d.file; } name d.value) {
            priority = 100;
            value = d.value.${name};
          }
        )
      ) option.definitionsWithLocations
    );

  # The files that define an option which is a list, as far as it has an element.
  ofElement =
    has: option:
    lib.concatMap (
      d:
      lib.optional (lib.any has (lib.toList d.value)) {
        option = dotted option.loc;
        priority = 100;
        file = shown d.file;
      }
    ) option.definitionsWithLocations;

  # The definitions of all names of a set's option, by the name of the thing that each stands for.
  byThing =
    depth: nameOf: option:
    lib.mapAttrs' (name: value: lib.nameValuePair (nameOf name value) (ofName depth option name)) (
      lib.filterAttrs (_name: value: value.enable or true) option.value
    );

  merged = lib.foldl' (all: some: all // lib.mapAttrs (n: s: (all.${n} or [ ]) ++ s) some) { };
  units =
    scope:
    merged (
      map (kind: byThing 2 (_name: u: u.name) scope.${kind}) [
        "services"
        "sockets"
        "timers"
        "paths"
        "slices"
        "targets"
      ]
      ++
        map
          (
            kind:
            lib.listToAttrs (
              map (
                u: lib.nameValuePair u.name (ofElement (x: x.where or null == u.where) scope.${kind})
              ) scope.${kind}.value
            )
          )
          [
            "mounts"
            "automounts"
          ]
      ++ map (kind: lib.genAttrs scope.${kind}.value (name: ofElement (x: x == name) scope.${kind})) [
        "maskedUnits"
      ]
      ++ [
        (lib.mapAttrs (_name: lib.filter (s: s.file != unitsFile)) (byThing 1 (n: _u: n) scope.units))
      ]
    );
  # The typed options turn into units in these files, which says nothing.
  unitsFile = "system-manager/modules/systemd/units.nix";
  named = lib.filterAttrs (_name: settings: settings != [ ]);

  provenance = {
    version = 1;
    files = named (byThing 1 (_name: e: e.target) options.environment.etc);
    units = named (units options.systemd);
    userUnits = named (units options.systemd.user);
    users = named (byThing 1 (_name: u: u.name) options.users.users);
    groups = named (byThing 1 (_name: g: g.name) options.users.groups);
    variables = named (byThing 0 (n: _v: n) options.environment.variables);
    rules = named (
      lib.genAttrs options.systemd.tmpfiles.rules.value (
        rule: ofElement (r: r == rule) options.systemd.tmpfiles.rules
      )
    );
    # Each line by itself: the addresses of `networking.hosts`, and what `extraHosts` has.
    lines = named (
      lib.mapAttrs' (
        address: names:
        lib.nameValuePair "${address} ${lib.concatStringsSep " " names}" (
          ofName 0 options.networking.hosts address
        )
      ) (lib.filterAttrs (_address: names: names != [ ]) config.networking.hosts)
      // lib.genAttrs (lib.filter (line: line != "") (lib.splitString "\n" config.networking.extraHosts)) (
        line: ofElement (text: lib.elem line (lib.splitString "\n" text)) options.networking.extraHosts
      )
    );
    blocks = named (byThing 0 (n: _v: n) options.system-manager.blocks);
    scripts = named (
      lib.listToAttrs (
        map (
          # What is inside of one is often made by a function, whose place says nothing.
          script: lib.nameValuePair script.name (ofName 0 options.system.activationScripts script.name)
        ) config.system.build.activationScripts
      )
    );
    secrets = named (byThing 1 (n: _v: n) options.system-manager.secrets);
    healthChecks = named (byThing 1 (n: _v: n) options.system-manager.healthChecks);
    basics = merged (
      lib.mapAttrsToList (name: option: {
        ${if name == "i18n.extraLocaleSettings" then "i18n.defaultLocale" else name} = map (d: {
          option = name;
          priority = option.highestPrio;
          file = shown d.file;
        }) option.definitionsWithLocations;
      }) config.system.build.basicsOptions
    );
    packages = named (
      lib.listToAttrs (
        map (
          p:
          lib.nameValuePair (p.name or (baseNameOf "${p}")) (
            ofElement (x: isAttrs x && "${x}" == "${p}") options.environment.systemPackages
          )
        ) config.environment.systemPackages
      )
    );
  };
in
{
  system.build.provenance = unsafeDiscardStringContext (builtins.toJSON provenance);
}
