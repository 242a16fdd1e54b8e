# A server with an account of its own, whose files are made by tmpfiles.
{
  name = "lighttpd";

  nodes.machine =
    { pkgs, ... }:
    {
      users.groups.pages = { };
      users.users.pages = {
        isSystemUser = true;
        group = "pages";
        home = "/srv/pages";
      };
      systemd.tmpfiles.rules = [
        "d /srv/pages 0750 pages pages -"
        "f /srv/pages/index.html 0640 pages pages - from tmpfiles"
      ];
      environment.etc."pages/lighttpd.conf".text = ''
        server.document-root = "/srv/pages"
        server.port = 8090
        index-file.names = ( "index.html" )
      '';
      systemd.services.pages = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "${pkgs.lighttpd}/bin/lighttpd -D -f /etc/pages/lighttpd.conf";
          User = "pages";
          Group = "pages";
        };
      };
    };

  testScript = ''
    machine.wait_for_unit("pages.service")
    machine.wait_for_open_port(8090)
    assert machine.succeed("curl --fail --silent http://localhost:8090/") == "from tmpfiles"
    machine.fail("sudo -u nobody cat /srv/pages/index.html")
    assert machine.succeed("ps -o user= -C lighttpd").strip() == "pages"
  '';
}
