# Users and groups, with NixOS's options. The activator gives ids and merges them into the distribution's files.
{
  config,
  lib,
  build,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.users;

  # A value that stays one field of one line in passwd(5) and its like.
  field = types.addCheck types.str (s: builtins.match "[^:[:cntrl:]]*" s != null) // {
    name = "passwdEntry";
    description = "text without `:` and control characters";
  };
  # A `$` at the end, as useradd takes it for the accounts of machines in a domain.
  nameType = types.strMatching "[a-zA-Z0-9_.][a-zA-Z0-9_.-]*[$]?" // {
    description = "a name of letters, digits and `_.-`, not beginning with `-`, perhaps with a `$` at its end";
  };
  path = types.addCheck field (lib.hasPrefix "/") // {
    description = "an absolute path";
  };
  shell = types.nullOr (types.either types.package path);
  optional =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };
  bool =
    default: description:
    mkOption {
      type = types.bool;
      inherit default description;
    };

  # A path as passwd(5) has it; a package says which of its programs is the shell.
  shellPath = s: if s ? shellPath then "${s}${s.shellPath}" else toString s;

  # An option's default leaves an existing account of the distribution as it is.
  unlessDefault =
    option: value: if option.highestPrio >= (lib.mkOptionDefault null).priority then null else value;
  # A default that a layer of modules has for everybody is weaker than this: no wish for an account that is there.
  unlessWeak = option: value: if option.highestPrio >= 1400 then null else value;

  rangeType = start: {
    options = {
      ${start} = mkOption {
        type = types.ints.u32;
        description = "The first id.";
      };
      count = mkOption {
        type = types.ints.u32;
        default = 1;
        description = "How many ids.";
      };
    };
  };

  userOptions =
    {
      name,
      config,
      options,
      ...
    }:
    {
      options = {
        enable = bool true "Whether the user is managed. If false, the user is treated as not declared.";
        name = mkOption {
          type = nameType;
          default = name;
          defaultText = lib.literalMD "the attribute's name";
          description = "The user's name, of at most 31 characters.";
        };
        description = mkOption {
          type = field;
          default = "";
          example = "Alice Q. User";
          description = "A short description of the account. If it is not set, an existing account keeps its own.";
        };
        uid = optional types.ints.u32 ''
          The user's id; `null` means that one is chosen. An id that the host uses for another account is not
          applied, and the id of an existing account is not changed.
        '';
        isSystemUser = bool false "Whether this is the account of a service, with an id from the system range.";
        isNormalUser = bool false ''
          Whether this is the account of a person: in the group `users`, with a home below
          {option}`users.defaultUserHome`, the default shell and subordinate ids.
        '';
        group = mkOption {
          type = types.str;
          default = "";
          description = "The primary group: a declared one, or one of the host.";
        };
        extraGroups = mkOption {
          type = types.listOf types.str;
          default = [ ];
          example = [ "docker" ];
          description = "Additional groups of the user, declared ones or groups of the host.";
        };
        home = mkOption {
          type = types.coercedTo types.package toString path;
          default = if name == "root" then "/root" else "/var/empty";
          description = "The home directory. If it is not set, an existing account keeps its own.";
        };
        homeMode = mkOption {
          type = types.strMatching "[0-7]{1,5}";
          default = "700";
          description = "The permission bits of a home directory that is created.";
        };
        createHome = bool false "Whether to create the home directory if it is missing.";
        shell = mkOption {
          type = shell;
          default = "/usr/sbin/nologin";
          example = lib.literalExpression "pkgs.zsh";
          description = ''
            The login shell, a package or a path. If it is `null` or not set, an existing account keeps its own. If
            a shell in the store does not exist at activation, `/bin/bash` is used.
          '';
        };
        useDefaultShell = bool false "Whether the shell is {option}`users.defaultUserShell`.";
        ignoreShellProgramCheck = bool false "Whether to allow a shell whose `programs` option is not enabled.";
        subUidRanges = mkOption {
          type = types.listOf (types.submodule (rangeType "startUid"));
          default = [ ];
          description = "Subordinate uids (subuid(5)).";
        };
        subGidRanges = mkOption {
          type = types.listOf (types.submodule (rangeType "startGid"));
          default = [ ];
          description = "Subordinate gids (subgid(5)).";
        };
        autoSubUidGidRange = bool false "Whether to allocate a free range of 65536 subordinate uids and gids.";
        hashedPassword = optional types.str ''
          A password hash as printed by `mkpasswd`. With {option}`users.mutableUsers`, it applies only to a new
          account. An empty one lets anyone log in.
        '';
        password = optional types.str ''
          A plain-text password, hashed on the host. Everyone can read it in the store, so use it only for tests.
        '';
        hashedPasswordFile = optional types.str ''
          A file on the host whose first line is a password hash; read on each activation. If it can't be read, an
          existing account keeps its password.
        '';
        initialHashedPassword = optional types.str "A password hash for a new account.";
        initialPassword = optional types.str "A plain-text password for a new account; everyone can read it in the store.";
        packages = mkOption {
          type = types.listOf types.package;
          default = [ ];
          description = "Packages for this user only, in `/etc/profiles/per-user/NAME`.";
        };
        expires = optional (types.strMatching "[0-9]{4}-[0-9]{2}-[0-9]{2}") ''
          The date from which the account can't be used any more, as `YYYY-MM-DD`.
        '';
        linger = optional types.bool ''
          Whether the user's services run without a login session; `null` leaves this as it is.
        '';
        cryptHomeLuks = optional types.str "No effect here.";
        pamMount = mkOption {
          type = types.attrsOf types.unspecified;
          default = { };
          description = "No effect here.";
        };
      };

      config = lib.mkMerge [
        (lib.mkIf (name == "root") {
          uid = lib.mkDefault 0;
          group = lib.mkDefault "root";
        })
        (lib.mkIf config.isNormalUser {
          group = lib.mkDefault "users";
          createHome = lib.mkDefault true;
          home = lib.mkDefault "${cfg.defaultUserHome}/${config.name}";
          homeMode = lib.mkDefault "700";
          useDefaultShell = lib.mkDefault true;
          isSystemUser = lib.mkDefault false;
          autoSubUidGidRange = lib.mkIf (config.subUidRanges == [ ] && config.subGidRanges == [ ]) (
            lib.mkDefault true
          );
        })
        (lib.mkIf config.useDefaultShell { shell = lib.mkDefault cfg.defaultUserShell; })
        # NixOS's immutable users have no password that is only initial.
        (lib.mkIf (!cfg.mutableUsers && config.initialHashedPassword != null) {
          hashedPassword = lib.mkDefault config.initialHashedPassword;
        })
      ];

      # What the activator gets. Here, since only here it can be told what was set.
      options.account = mkOption {
        type = types.raw;
        internal = true;
        readOnly = true;
        description = "The user in the manifest's form.";
        default =
          let
            theShell = if config.shell == null then null else shellPath config.shell;
            inStore = theShell != null && lib.hasPrefix "${builtins.storeDir}/" theShell;
            ranges =
              start:
              map (r: {
                start = r.${start};
                inherit (r) count;
              });
          in
          {
            inherit (config)
              uid
              homeMode
              createHome
              hashedPassword
              password
              hashedPasswordFile
              initialHashedPassword
              initialPassword
              expires
              linger
              autoSubUidGidRange
              ;
            isSystemUser = isSystem config;
            group = unlessWeak options.group config.group;
            description = unlessDefault options.description config.description;
            # Some modules end it with a slash.
            home = unlessDefault options.home (
              if config.home == "/" then "/" else lib.removeSuffix "/" config.home
            );
            shell = unlessDefault options.shell theShell;
            shellFallback = if inStore then "/bin/bash" else null;
            extraGroups = lib.unique (builtins.sort builtins.lessThan config.extraGroups);
            subUidRanges = ranges "startUid" config.subUidRanges;
            subGidRanges = ranges "startGid" config.subGidRanges;
          };
      };
    };

  groupOptions =
    { name, config, ... }:
    {
      options = {
        enable =
          bool true "Whether the group is managed. When false, it is as if it were not declared."
          // {
            internal = true;
          };
        name = mkOption {
          type = nameType;
          default = name;
          defaultText = lib.literalMD "the attribute's name";
          description = "The group's name.";
        };
        gid = optional types.ints.u32 ''
          The group's id; `null` means that one is chosen. As with users, an id that is in use is not applied.
        '';
        members = mkOption {
          type = types.listOf nameType;
          default = [ ];
          description = "Members, in addition to the users that have the group in their `extraGroups`.";
        };
      };
      config.members = map (u: u.name) (lib.filter (u: lib.elem config.name u.extraGroups) users);
    };

  # NixOS counts an id below 1000 as a system user's.
  isSystem = u: u.isSystemUser || (u.uid != null && u.uid < 1000);
  users = lib.filter (u: u.enable) (builtins.attrValues cfg.users);
  groups = lib.filter (g: g.enable) (builtins.attrValues cfg.groups);

  byName = list: f: lib.listToAttrs (map (x: lib.nameValuePair x.name (f x)) list);
  withPackages = lib.filter (u: u.packages != [ ]) users;

  # -- checks --
  check = assertion: message: { inherit assertion message; };
  # utmp(5), where logins are listed, has room for no more.
  lengthCheck =
    option: name:
    let
      length = builtins.stringLength name;
    in
    check (
      length <= 31
    ) "${option}.${name}: the name has ${toString length} characters, and no more than 31 are possible";
  userChecks =
    u:
    [
      (lengthCheck "users.users" u.name)
      (check (isSystem u != u.isNormalUser)
        "users.users.${u.name}: exactly one of isSystemUser and isNormalUser must be set (a uid below 1000 counts as the former)"
      )
      (check (
        u.isNormalUser -> u.uid == null || u.uid >= 1000
      ) "users.users.${u.name}: a normal user's uid must be at least 1000")
      (check (u.group != "")
        "users.users.${u.name}.group is not set; NixOS modules usually declare `users.groups.${u.name}` for it"
      )
      (check (lib.all (h: h == null || builtins.match "[^:\n]*" h != null) [
        u.hashedPassword
        u.initialHashedPassword
      ]) "users.users.${u.name}: a password hash must not contain `:` or a newline")
      (check (
        cfg.mutableUsers || u.shell != null
      ) "users.users.${u.name}.shell must not be null when users.mutableUsers is false")
    ]
    ++ shellChecks u;

  shellChecks =
    u:
    map
      (
        program:
        let
          option = [
            "programs"
            program
            "enable"
          ];
          wants = lib.isDerivation u.shell && lib.getName u.shell == program;
        in
        check (u.ignoreShellProgramCheck || !wants || lib.attrByPath option true config)
          "users.users.${u.name}.shell is ${program}, but programs.${program}.enable is false, so that it lacks the paths of packages; enable it, or set ignoreShellProgramCheck"
      )
      [
        "fish"
        "xonsh"
        "zsh"
      ];

  twice =
    list: of:
    let
      byValue = lib.groupBy (x: toString (of x)) (lib.filter (x: of x != null) list);
    in
    lib.mapAttrsToList (value: xs: "${value} (${lib.concatMapStringsSep ", " (x: x.name) xs})") (
      lib.filterAttrs (_value: xs: lib.length xs > 1) byValue
    );
  unique =
    what: list: check (list == [ ]) "${what} must be unique: ${lib.concatStringsSep "; " list}";

  # Accounts that the configuration does not declare keep their passwords, so only declared ones can be shut out.
  admins = lib.filter (
    u:
    u.name == "root"
    || lib.any (g: lib.elem g u.extraGroups) adminGroups
    || lib.elem u.group adminGroups
  ) users;
  adminGroups = [
    "admin"
    "sudo"
    "wheel"
  ];
  usable = hash: hash != null && builtins.match "[!*].*" hash == null;
  canLogIn =
    u:
    lib.any usable [
      u.hashedPassword
      u.initialHashedPassword
    ]
    || u.password != null
    || u.initialPassword != null
    || u.hashedPasswordFile != null
    || (u.openssh.authorizedKeys.keys or [ ]) != [ ]
    || (u.openssh.authorizedKeys.keyFiles or [ ]) != [ ];

  wellFormed =
    hash: hash == null || hash == "" || builtins.match "[!*].*|[$][a-zA-Z0-9]+[$].+|x" hash != null;
  userWarnings =
    u:
    let
      names = [
        "initialHashedPassword"
        "initialPassword"
        "hashedPassword"
        "password"
        "hashedPasswordFile"
      ];
      set = lib.filter (n: u.${n} != null) names;
      aliased = !cfg.mutableUsers && u.hashedPassword == u.initialHashedPassword;
      counted = if aliased then lib.remove "hashedPassword" set else set;
    in
    lib.optional (lib.length counted > 1)
      "users.users.${u.name}: only one of its password options counts: ${lib.concatStringsSep ", " counted}"
    ++
      lib.optional (!(wellFormed u.hashedPassword && wellFormed u.initialHashedPassword))
        "users.users.${u.name}: a password hash does not look like one, so that nobody can log in with it";
in
{
  options.users = {
    mutableUsers = bool true ''
      Whether passwords and members may be changed on the host. If false, those of declared users and groups are set
      on each activation; accounts that are not declared stay as they are.
    '';
    enforceIdUniqueness = bool true "Whether declared ids must be unique.";
    manageLingering = bool true "Whether {option}`users.users.<name>.linger` has an effect.";
    allowNoPasswordLogin = bool false "Whether it is acceptable that no declared administrator can log in with a password or a key.";
    defaultUserShell = mkOption {
      type = types.either types.package path;
      default = "/bin/bash";
      example = lib.literalExpression "pkgs.zsh";
      description = "The shell of normal users, a package or a path.";
    };
    defaultUserHome = mkOption {
      type = path;
      default = "/home";
      description = "The parent folder of the home directories of normal users.";
    };
    users = mkOption {
      type = types.attrsOf (types.submodule userOptions);
      default = { };
      example = {
        alice = {
          isNormalUser = true;
          extraGroups = [ "docker" ];
        };
      };
      description = ''
        Users to create, or to adopt if they exist. When a user is removed from the configuration, an adopted one
        gets its previous values back; a created one is removed, but never its home directory.
      '';
    };
    groups = mkOption {
      type = types.attrsOf (types.submodule groupOptions);
      default = { };
      example = {
        app = { };
      };
      description = "Groups to create, or to adopt if they exist.";
    };
  };

  config = {
    assertions =
      lib.concatMap userChecks users
      ++ map (g: lengthCheck "users.groups" g.name) groups
      ++ [
        (unique "the names of users" (twice users (u: u.name)))
        (unique "the names of groups" (twice groups (g: g.name)))
      ]
      ++ lib.optionals cfg.enforceIdUniqueness [
        (unique "users.users.<name>.uid" (twice users (u: u.uid)))
        (unique "users.groups.<name>.gid" (twice groups (g: g.gid)))
      ]
      ++ lib.optional (!cfg.mutableUsers && !cfg.allowNoPasswordLogin) (
        check (admins == [ ] || lib.any canLogIn admins)
          "users.mutableUsers is false, but no declared administrator (${
            lib.concatMapStringsSep ", " (u: u.name) admins
          }) can log in; set a password or an SSH key for one, or users.allowNoPasswordLogin"
      );

    warnings = lib.concatMap userWarnings users;

    environment.etc = lib.mkMerge [
      (lib.listToAttrs (
        map (
          u:
          lib.nameValuePair "profiles/per-user/${u.name}" {
            source = build.join {
              name = "user-environment-${u.name}";
              paths = lib.unique u.packages;
              inherit (config.environment) pathsToLink;
            };
          }
        ) withPackages
      ))
      (lib.mkIf (withPackages != [ ]) {
        # After system-manager.sh, so that a user's own packages come first.
        "profile.d/system-manager.user.sh".text = ''
          if [ -d "/etc/profiles/per-user/''${USER:-$(id -un)}" ]; then
            export PATH="/etc/profiles/per-user/''${USER:-$(id -un)}/bin:$PATH"
            export XDG_DATA_DIRS="/etc/profiles/per-user/''${USER:-$(id -un)}/share:''${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"
          fi
        '';
        # The same for what a user's service manager starts.
        "environment.d/11-system-manager.user.conf".text = ''
          PATH="/etc/profiles/per-user/''${USER}/bin:''${PATH}"
          XDG_DATA_DIRS="/etc/profiles/per-user/''${USER}/share:''${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"
        '';
      })
    ];

    system-manager.noEffect = lib.concatMap (
      name:
      map
        (option: {
          option = "users.users.${name}.${option}";
          definedIn = map toString options.users.users.files;
        })
        (
          lib.optional (cfg.users.${name}.cryptHomeLuks != null) "cryptHomeLuks"
          ++ lib.optional (cfg.users.${name}.pamMount != { }) "pamMount"
        )
    ) (builtins.attrNames cfg.users);

    system.build.accounts = {
      inherit (cfg) mutableUsers manageLingering allowNoPasswordLogin;
      users = byName users (u: u.account);
      groups = byName groups (g: {
        inherit (g) gid;
        members = lib.unique (builtins.sort builtins.lessThan g.members);
      });
    };
  };
}
