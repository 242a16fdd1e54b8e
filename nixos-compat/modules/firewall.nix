# A packet filter of our own, for those who ask for it. NixOS's is on by default; a distribution has its own ideas.
{
  config,
  lib,
  options,
  build,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.networking.firewall;
  ssh = config.services.openssh;
  isOn = config.nixos-compat.firewall.enable && cfg.enable;

  range = types.submodule {
    options = {
      from = mkOption {
        type = types.port;
        description = "The first port.";
      };
      to = mkOption {
        type = types.port;
        description = "The last port.";
      };
    };
  };
  ports =
    example: description:
    mkOption {
      type = types.listOf types.port;
      default = [ ];
      apply = list: lib.unique (builtins.sort builtins.lessThan list);
      inherit example description;
    };
  ranges =
    description:
    mkOption {
      type = types.listOf range;
      default = [ ];
      example = [
        {
          from = 8000;
          to = 8010;
        }
      ];
      inherit description;
    };
  allowed = {
    allowedTCPPorts = ports [ 80 443 ] "TCP ports that are open.";
    allowedTCPPortRanges = ranges "Ranges of TCP ports that are open.";
    allowedUDPPorts = ports [ 53 ] "UDP ports that are open.";
    allowedUDPPortRanges = ranges "Ranges of UDP ports that are open.";
  };

  quoted = name: "\"${name}\"";
  joined = lib.concatMapStringsSep ", " toString;
  rule =
    prefix: protocol: list: rangeList:
    lib.optional (list != [ ]) "${prefix}${protocol} dport { ${joined list} } accept"
    ++ map (r: "${prefix}${protocol} dport ${toString r.from}-${toString r.to} accept") rangeList;
  open =
    prefix: a:
    rule prefix "tcp" a.allowedTCPPorts a.allowedTCPPortRanges
    ++ rule prefix "udp" a.allowedUDPPorts a.allowedUDPPortRanges;

  sshPorts = lib.optionals ssh.openFirewall (
    ssh.ports ++ lib.filter (p: p != null) (map (l: l.port) ssh.listenAddresses)
  );
  rules = [
    "iifname { ${lib.concatMapStringsSep ", " quoted ([ "lo" ] ++ cfg.trustedInterfaces)} } accept"
    "ct state vmap { invalid : drop, established : accept, related : accept }"
  ]
  ++ open "" (cfg // { allowedTCPPorts = lib.unique (sshPorts ++ cfg.allowedTCPPorts); })
  ++ lib.concatLists (lib.mapAttrsToList (name: open "iifname ${quoted name} ") cfg.interfaces)
  ++ lib.optional cfg.allowPing "icmp type echo-request accept"
  ++ [
    # Neighbours are found by it; redirects and questions for names are not answered.
    "icmpv6 type != { nd-redirect, 139${lib.optionalString (!cfg.allowPing) ", echo-request"} } accept"
    # Answers of DHCPv6 come from another address than was asked.
    "ip6 daddr fe80::/64 udp dport 546 accept"
  ];
  table = "inet system-manager";
  # One transaction: it replaces the table, and no other is touched.
  text = ''
    table ${table}
    delete table ${table}
    table ${table} {
      chain input {
        type filter hook input priority filter; policy drop;
    ${
      lib.concatMapStrings (r: "    ${r}\n") rules
    }${terminated cfg.extraInputRules}${lib.optionalString cfg.rejectPackets "    meta l4proto tcp reject with tcp reset\n    reject\n"}  }
    }
  '';
  file = build.writeText "firewall.nft" text;

  # What is set without having asked for a filter.
  idle = lib.filter (o: o.isDefined && o.highestPrio < (lib.mkOptionDefault null).priority) (
    lib.filter lib.isOption (map (name: options.networking.firewall.${name}) (builtins.attrNames own))
  );
  own = allowed // {
    inherit (options.networking.firewall)
      enable
      allowPing
      extraInputRules
      interfaces
      rejectPackets
      trustedInterfaces
      ;
  };
in
{
  options.nixos-compat.firewall.enable = mkOption {
    type = types.bool;
    default = false;
    example = true;
    description = ''
      Whether {option}`networking.firewall` takes effect, as a separate nftables table: packets that no rule allows
      are refused. Otherwise these options have no effect. Packets that other tables drop are still dropped.
    '';
  };

  options.networking.firewall = allowed // {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether to enable the packet filter; requires {option}`nixos-compat.firewall.enable`.";
    };
    interfaces = mkOption {
      type = types.attrsOf (types.submodule { options = allowed; });
      default = { };
      example = {
        eth1.allowedTCPPorts = [ 5432 ];
      };
      description = "Additional open ports for single interfaces.";
    };
    trustedInterfaces = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "wg0" ];
      description = "Interfaces from which all packets are accepted.";
    };
    allowPing = mkOption {
      type = types.bool;
      default = true;
      description = "Whether to answer pings.";
    };
    rejectPackets = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to reject refused packets, which tells the sender, instead of dropping them.";
    };
    extraInputRules = mkOption {
      type = types.lines;
      default = "";
      example = "ip saddr 192.0.2.0/24 tcp dport 5432 accept";
      description = "Additional nftables rules for incoming packets.";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (!isOn) {
      system-manager.noEffect = map (o: {
        option = lib.showOption o.loc;
        definedIn = map toString o.files;
      }) (lib.filter (o: o.value != [ ] && o.value != { } && o.value != false) idle);
    })
    (lib.mkIf isOn {
      system-manager.hostRequirements = [
        {
          path = "/usr/sbin/nft";
          package = "networking.firewall";
          install = {
            debian = "nftables";
            fedora = "nftables";
          };
        }
      ];
      system-manager.preActivationAssertions.firewall.script = ''
        PATH=$PATH:/usr/sbin:/sbin
        rules=${file}
        is_open='${joined (lib.unique (sshPorts ++ cfg.allowedTCPPorts))}'
        may_close_ssh=${lib.optionalString (!ssh.openFirewall) "yes"}
        ${builtins.readFile ./firewall-check.sh}
      '';
      systemd.services.system-manager-firewall = {
        description = "Packet filter of this configuration";
        wantedBy = [ "multi-user.target" ];
        wants = [ "network-pre.target" ];
        before = [
          "network-pre.target"
          "shutdown.target"
        ];
        conflicts = [ "shutdown.target" ];
        # The distribution's own rules begin with the removal of all others.
        after = [
          "nftables.service"
          "systemd-modules-load.service"
        ];
        partOf = [ "nftables.service" ];
        unitConfig = {
          DefaultDependencies = false;
          ReloadPropagatedFrom = "nftables.service";
          RequiresMountsFor = [ builtins.storeDir ];
        };
        # There is no moment without rules.
        reloadIfChanged = true;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "/usr/sbin/nft --file ${file}";
          ExecReload = "/usr/sbin/nft --file ${file}";
          ExecStop = "/usr/sbin/nft 'table ${table}; delete table ${table}'";
        };
      };
    })
  ];
}
