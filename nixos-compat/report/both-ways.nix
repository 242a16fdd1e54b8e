# What a host's configuration comes to here, and on NixOS: for `system-manager compat --nixos`.
{
  # The host, as makeSystemConfig gives it.
  host ? (import ../.. { inherit nixpkgs system; }).evalFile { inherit file; },
  # Or its file, and the folder of a nixpkgs.
  file ? null,
  nixpkgs ? host.arguments.nixpkgs,
  system ? builtins.currentSystem,
}:
let
  lib = import ../library.nix { inherit nixpkgs; };
  # A toplevel that our API did not make has no modules that NixOS could evaluate.
  given =
    host.arguments
      or (throw "the configuration gives a toplevel of its own, not modules\nhint: name a file with a module, or use lib.makeSystemConfig");
  inherit (given) modules specialArgs;

  nixos =
    modules:
    (import (nixpkgs + "/nixos/lib/eval-config.nix") {
      inherit system;
      modules = [
        ../nixos.nix
        { system.stateVersion = lib.mkDefault lib.trivial.release; }
      ]
      ++ modules;
      specialArgs = {
        nixosModulesPath = toString (nixpkgs + "/nixos/modules");
      }
      // specialArgs;
    }).config;
  theirs = nixos modules;
  base = nixos [ ];
  ours = builtins.seq given host.config;

  unit =
    _name: u:
    if u.enable then
      "${u.text}\n[Edges]\nwantedBy=${toString (lib.naturalSort u.wantedBy)}\nrequiredBy=${toString (lib.naturalSort u.requiredBy)}\n"
    else
      null;

  # A text, or where the content comes from.
  entry =
    _name: e:
    if e.text != null then
      e.text
    else
      "source=${builtins.unsafeDiscardStringContext (toString e.source)}";
  entries =
    config:
    lib.mapAttrs' (_name: e: lib.nameValuePair e.target e) (
      lib.filterAttrs (_name: e: e.enable) config.environment.etc
    );

  # What the configuration says about accounts; ids that are given later are not known yet.
  user = _name: u: {
    uid = if u.uid == null then "" else toString u.uid;
    inherit (u) group description home;
    isNormalUser = lib.boolToString u.isNormalUser;
    extraGroups = toString (lib.naturalSort u.extraGroups);
  };
  group = _name: g: {
    gid = if g.gid == null then "" else toString g.gid;
    members = toString (lib.naturalSort g.members);
  };
  # Those of the distribution are there to be read, until somebody declares them.
  managed = lib.filterAttrs (_name: a: a.enable or true);
  lines = fields: lib.concatStrings (lib.mapAttrsToList (name: v: "${name}=${v}\n") fields);
  accounts = show: lib.mapAttrs (name: a: lines (show name a));

  # One side in full, the other one as far as the first has it or a NixOS of its own does not.
  kinds = {
    units = {
      of = config: config.systemd.units;
      show = lib.mapAttrs unit;
    };
    files = {
      of = entries;
      show = lib.mapAttrs entry;
    };
    users = {
      of = config: managed config.users.users;
      show = accounts user;
    };
    groups = {
      of = config: managed config.users.groups;
      show = accounts group;
    };
  };
  concerns =
    kind:
    removeAttrs (kind.of theirs) (
      lib.filter (name: !(kind.of ours ? ${name})) (lib.attrNames (kind.of base))
    );
  failed = config: map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
in
{
  here = lib.mapAttrs (_name: kind: kind.show (kind.of ours)) kinds // {
    rules = ours.systemd.tmpfiles.rules;
  };
  nixos = lib.mapAttrs (_name: kind: kind.show (concerns kind)) kinds // {
    rules = lib.subtractLists base.systemd.tmpfiles.rules theirs.systemd.tmpfiles.rules;
    # What is wrong with any NixOS that has no disks is not the configuration's.
    assertions = lib.subtractLists (failed base) (failed theirs);
    release = lib.trivial.release;
  };
}
