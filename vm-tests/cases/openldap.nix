# A directory server that is filled from the configuration, on the distribution's own slapd.
{
  name = "openldap";

  nodes.machine =
    { pkgs, ... }:
    let
      slapd = pkgs.hostPackage {
        name = "openldap";
        bin = [
          "/usr/sbin/slapd"
          "/usr/sbin/slapadd"
        ];
        install.debian = "slapd";
      };
    in
    {
      environment.etc."directory/slapd.conf".text = ''
        include /etc/ldap/schema/core.schema
        include /etc/ldap/schema/cosine.schema
        modulepath /usr/lib/ldap
        moduleload back_mdb
        pidfile /run/directory/slapd.pid
        argsfile /run/directory/slapd.args
        database mdb
        directory /var/lib/directory
        suffix "dc=example"
        rootdn "cn=root,dc=example"
        rootpw secret
      '';
      environment.etc."directory/content.ldif".text = ''
        dn: dc=example
        objectClass: domain
        dc: example

        dn: ou=users,dc=example
        objectClass: organizationalUnit
        ou: users
      '';
      systemd.services.directory = {
        wantedBy = [ "multi-user.target" ];
        path = [ slapd ];
        preStart = ''
          if [ ! -e /var/lib/directory/data.mdb ]; then
            slapadd -f /etc/directory/slapd.conf -l /etc/directory/content.ldif
          fi
        '';
        serviceConfig = {
          Type = "forking";
          PIDFile = "/run/directory/slapd.pid";
          ExecStart = "${slapd}/bin/slapd -f /etc/directory/slapd.conf -h ldap://127.0.0.1:389";
          User = "openldap";
          Group = "openldap";
          AmbientCapabilities = "CAP_NET_BIND_SERVICE";
          RuntimeDirectory = "directory";
          StateDirectory = "directory";
          StateDirectoryMode = "0700";
        };
      };
    };

  testScript = ''
    account = "-x -H ldap://127.0.0.1 -D cn=root,dc=example -w secret"
    search = f"ldapsearch -LLL {account} -b dc=example"

    machine.wait_for_unit("directory.service")
    machine.wait_for_open_port(389)
    assert "dn: ou=users,dc=example" in machine.succeed(search)
    machine.fail("ldapsearch -x -H ldap://127.0.0.1 -D cn=root,dc=example -w wrong -b dc=example")

    with subtest("what was added survives a restart"):
        machine.succeed(
            "printf 'dn: uid=alice,ou=users,dc=example\\nobjectClass: account\\nuid: alice\\n' "
            f"| ldapadd {account} >&2"
        )
        machine.succeed("systemctl restart directory.service")
        machine.wait_until_succeeds(f"{search} uid=alice | grep 'uid: alice'", timeout=20)
  '';
}
