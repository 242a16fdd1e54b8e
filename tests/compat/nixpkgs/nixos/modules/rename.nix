{ lib, ... }:
{
  imports = [
    (lib.mkRenamedOptionModule
      [
        "services"
        "httpd"
        "port"
      ]
      [
        "services"
        "webd"
        "port"
      ]
    )
    (lib.mkRenamedOptionModule [ "services" "httpd" "enable" ] [ "services" "webd" "enable" ])
    (lib.mkRemovedOptionModule [
      "services"
      "gopherd"
    ] "Nobody speaks gopher any more.")
    # Its old name is an option of ours.
    (lib.mkAliasOptionModule
      [
        "system-manager"
        "hostPackages"
      ]
      [
        "services"
        "webd"
        "plugins"
      ]
    )
  ];
}
