# Files below /etc.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;

  entry =
    {
      name,
      config,
      options,
      ...
    }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether the entry is managed.";
        };
        target = mkOption {
          type = types.str;
          default = name;
          defaultText = lib.literalMD "the attribute's name";
          description = "Where the entry is placed, relative to `/etc`.";
        };
        text = mkOption {
          type = types.nullOr types.lines;
          default = null;
          description = "The file's text.";
        };
        source = mkOption {
          type = types.path;
          description = ''
            The file or folder that the entry contains. If the last component has a `*`, everything that matches is
            placed below the target.
          '';
        };
        mode = mkOption {
          type = types.strMatching "(direct-)?symlink|[0-7]{3,4}" // {
            description = "`symlink` or an octal mode such as `0644`";
          };
          default = "symlink";
          example = "0600";
          description = ''
            `symlink`, or the permission bits of a copy. A file that the distribution's package manager
            tracks (a conffile of dpkg, a file of ucf), or that its program does not accept as a link
            (cron, sudo, NetworkManager), is a copy in any case, as the plan says; `direct-symlink` forces a link.
          '';
        };
        uid = mkOption {
          type = types.int;
          default = 0;
          description = "The owner of a copy, by number.";
        };
        gid = mkOption {
          type = types.int;
          default = 0;
          description = "The group of a copy, by number.";
        };
        user = mkOption {
          type = types.str;
          default = "+${toString config.uid}";
          defaultText = lib.literalMD "`+` and the `uid`";
          description = "The owner of a copy: a name, or `+` and a number.";
        };
        group = mkOption {
          type = types.str;
          default = "+${toString config.gid}";
          defaultText = lib.literalMD "`+` and the `gid`";
          description = "The group of a copy: a name, or `+` and a number.";
        };
        replaceExisting = mkOption {
          type = types.bool;
          default = false;
          description = ''
            Whether an existing file that is not managed is backed up and replaced. Otherwise it is a conflict, and
            nothing is changed. The backup is restored when the entry is removed.
          '';
        };
      };

      # As strong as the text itself, so that `mkForce` on the text carries over.
      config.source = lib.mkIf (config.text != null) (
        lib.mkOverride options.text.highestPrio (build.writeText "etc-${baseNameOf name}" config.text)
      );
    };

  enabled = lib.filter (e: e.enable) (builtins.attrValues config.environment.etc);
  # A file of the distribution that is to be shown in its own place is there already.
  isThere =
    e: hostPathOf e == "/etc/${e.target}${if isGlob e then "/${baseNameOf "${e.source}"}" else ""}";
  entries = lib.filter (e: !(isThere e)) enabled;

  # The host's path that a source leads to through a host package, or null.
  hostPathOf =
    e:
    let
      source = builtins.unsafeDiscardStringContext "${e.source}";
      parts = builtins.match "${builtins.storeDir}/([^/]+)/(.+)" source;
      links = config.system-manager.hostLinks.${lib.head parts} or { };
      path = lib.elemAt parts 1;
      within = lib.filter (l: path == l || lib.hasPrefix "${l}/" path) (builtins.attrNames links);
      link = lib.head within;
    in
    if parts == null || within == [ ] then null else links.${link} + lib.removePrefix link path;
  byTarget = lib.groupBy (e: e.target) entries;
  targets = builtins.attrNames byTarget;

  parts = target: lib.splitString "/" target;
  isPlain =
    target:
    builtins.match "[^[:cntrl:]]*" target != null
    && lib.all (
      p:
      !(lib.elem p [
        ""
        "."
        ".."
      ])
    ) (parts target);

  # The targets that lie inside another entry's target; a glob's target is a folder of ours.
  insideOf =
    target:
    let
      components = parts target;
      above = map (n: lib.concatStringsSep "/" (lib.take n components)) (
        lib.range 1 (lib.length components - 1)
      );
      isFile = t: byTarget ? ${t} && !(lib.any isGlob byTarget.${t});
    in
    map (t: "`${target}` lies inside `${t}`") (lib.filter isFile above);
  isGlob = e: lib.hasInfix "*" (baseNameOf "${e.source}");

  # What the activator refuses as well, with what to do instead.
  reserved = builtins.fromJSON (builtins.readFile ./etc-reserved.json);
  refused =
    names: map (t: "`${t}` (${reserved.${t}})") (lib.filter (t: reserved ? ${t}) (lib.unique names));

  say = what: list: {
    assertion = list == [ ];
    message = "environment.etc: ${what}: ${lib.concatStringsSep ", " list}";
  };
in
{
  options.environment.etc = mkOption {
    type = types.attrsOf (types.submodule entry);
    default = { };
    example = lib.literalExpression ''
      {
        "motd".text = "managed\n";
        "app/secret" = { source = ./secret; mode = "0600"; user = "app"; };
      }
    '';
    description = "Files and folders to place below `/etc`.";
  };

  options.system-manager.hostLinks = mkOption {
    type = types.lazyAttrsOf (types.attrsOf types.str);
    default = { };
    internal = true;
    description = "What the links of host packages lead to, by the packages' names in the store.";
  };

  options.system-manager.replaceExisting = mkOption {
    type = types.listOf types.str;
    default = [ ];
    example = [ "systemd/system/app.service" ];
    description = ''
      Paths below `/etc` at which an existing file or link that is not managed is backed up and replaced. This is
      for units and tmpfiles rules; entries of `environment.etc` have their own option, and the links of units in
      `.wants` folders are always replaced.
    '';
  };

  options.system-manager.blocks = mkOption {
    type = types.attrsOf types.lines;
    default = { };
    internal = true;
    description = "Lines that are added to files of the distribution below `/etc`, which stay the distribution's.";
  };

  config = {
    assertions = [
      (say "never replaced by an entry" (
        refused (targets ++ builtins.attrNames config.system-manager.blocks)
      ))
      (say "the files of a folder of the distribution are not known here, so that a glob can't take them"
        (
          map (e: "`${e.target}` from `${hostPathOf e}`") (
            lib.filter (e: isGlob e && hostPathOf e != null) entries
          )
        )
      )
      (say "lines are added to a file that is an entry as well" (
        map (t: "`${t}`") (lib.filter (t: config.system-manager.blocks ? ${t}) targets)
      ))
      (say "a target must be a relative path without `.`, `..`, empty components or control characters" (
        map (t: "`${t}`") (lib.filter (t: !(isPlain t)) targets)
      ))
      (say "several entries with different sources have the same target" (
        map (t: "`${t}`") (
          lib.filter (t: lib.length (lib.unique (map (e: "${e.source}") byTarget.${t})) > 1) targets
        )
      ))
      (say "an entry cannot be placed below a file or folder of another entry" (
        lib.concatMap insideOf (lib.filter isPlain targets)
      ))
    ];

    system.build.etcEntries = lib.mapAttrs (
      _target: same:
      let
        e = lib.head same;
      in
      {
        inherit (e)
          user
          group
          mode
          replaceExisting
          ;
        # A slash at the end says of a folder no more than its path does.
        source = lib.removeSuffix "/" "${e.source}";
      }
    ) byTarget;
  };
}
