# Renders the text of unit files. Pure, apart from the store files of triggers.
{ lib, build }:
let
  inherit (builtins) attrNames isBool isPath;

  value = v: if isBool v then (if v then "true" else "false") else toString v;

  lines =
    section:
    lib.concatMap (key: map (v: "${key}=${value v}") (lib.toList section.${key})) (attrNames section);

  # A variable as systemd.syntax(7) wants it quoted: JSON's escapes are C's, and `%` is doubled by the
  # caller where it is meant literally, as on NixOS.
  environmentLines =
    environment:
    map (n: "Environment=${builtins.toJSON "${n}=${toString environment.${n}}"}") (
      lib.filter (n: environment.${n} != null) (attrNames environment)
    );

  # A store file stands for the triggers: a change of any makes another path, that is another value.
  triggerFile =
    kind: def: items:
    build.writeText "X-${kind}-Triggers-${def.name}" (
      toString (map (x: if isPath x then "${x}" else x) (lib.flatten items))
    );

  unless =
    empty: v: key: rendered:
    lib.optionalAttrs (v != empty) { ${key} = rendered; };
  relation =
    def: option: key:
    unless [ ] def.${option} key (toString def.${option});

  # The keys of `[Unit]` that have options of their own; `unitConfig` may overrule them.
  unitKeys =
    def:
    unless "" def.description "Description" def.description
    // relation def "documentation" "Documentation"
    // relation def "requires" "Requires"
    // relation def "wants" "Wants"
    // relation def "upholds" "Upholds"
    // relation def "after" "After"
    // relation def "before" "Before"
    // relation def "bindsTo" "BindsTo"
    // relation def "partOf" "PartOf"
    // relation def "conflicts" "Conflicts"
    // relation def "requisite" "Requisite"
    // relation def "onFailure" "OnFailure"
    // relation def "onSuccess" "OnSuccess"
    // unless [ ] def.restartTriggers "X-Restart-Triggers" (
      triggerFile "Restart" def def.restartTriggers
    )
    // unless [ ] def.reloadTriggers "X-Reload-Triggers" (triggerFile "Reload" def def.reloadTriggers);

  switchingLines =
    def:
    lib.optional def.reloadIfChanged "X-ReloadIfChanged=true"
    ++ lib.optional (!def.reloadIfChanged && !def.restartIfChanged) "X-RestartIfChanged=false"
    ++ lib.optional (!def.stopIfChanged) "X-StopIfChanged=false"
    ++ lib.optional def.notSocketActivated "X-NotSocketActivated=true";

  text = sections: lib.concatStringsSep "\n" (map (s: lib.concatStringsSep "\n" s + "\n") sections);

  unit =
    def: own:
    text (
      [ ([ "[Unit]" ] ++ lines def.unitConfig) ]
      ++ own
      ++ lib.optional (def.wantedBy != [ ]) [
        "[Install]"
        "WantedBy=${toString def.wantedBy}"
      ]
    );

  # A root of its own that shows the store has all that a service of NixOS runs; here, programs and the scripts' shell
  # are the distribution's, and linked with its libraries.
  rootLines =
    c:
    let
      shown = toString (lib.toList (c.BindReadOnlyPaths or [ ]) ++ lib.toList (c.BindPaths or [ ]));
    in
    lib.optional (
      c ? RootDirectory && lib.hasInfix builtins.storeDir shown
    ) "BindReadOnlyPaths=-/bin -/lib -/lib64 -/sbin /usr -/etc/alternatives -/etc/ld.so.cache";
in
{
  inherit unitKeys;

  # Renders a unit whose own section holds nothing but its freely written keys.
  plain =
    section: attr: def:
    unit def [ ([ "[${section}]" ] ++ lines def.${attr}) ];

  target = def: unit def [ ];

  # A root of its own that shows the store has all that a service of NixOS runs; here, programs and the scripts' shell
  # are the distribution's, and linked with its libraries.
  rootLines =
    c:
    let
      shown = toString (lib.toList (c.BindReadOnlyPaths or [ ]) ++ lib.toList (c.BindPaths or [ ]));
    in
    lib.optional (
      c ? RootDirectory && lib.hasInfix builtins.storeDir shown
    ) "BindReadOnlyPaths=-/bin -/lib -/lib64 -/sbin /usr -/etc/alternatives -/etc/ld.so.cache";

  service =
    globalEnvironment: def:
    unit def [
      (
        [ "[Service]" ]
        ++ environmentLines (globalEnvironment // def.environment)
        ++ switchingLines def
        ++ lines def.serviceConfig
        ++ rootLines def.serviceConfig
      )
    ];

  socket =
    def:
    unit def [
      (
        [ "[Socket]" ]
        ++ lines def.socketConfig
        ++ map (s: "ListenStream=${s}") def.listenStreams
        ++ map (s: "ListenDatagram=${s}") def.listenDatagrams
      )
    ];
}
