# Old names that bring more than an old name does. Nobody imports this, so that nothing of it may act.
{ lib, ... }:
let
  old = lib.mkRenamedOptionModule;
  to = [
    "services"
    "webd"
    "enable"
  ];
  acts = name: {
    systemd.services.${name}.script = "true";
  };
in
{
  imports = [
    ({ config, options, ... }@args: old [ "impostors" "first" ] to args // { config = acts "first"; })
    (
      { config, options, ... }@args:
      old [ "impostors" "second" ] to args // { imports = [ (acts "second") ]; }
    )
    (
      { config, options, ... }@args:
      old [ "impostors" "third" ] to args
      // {
        config = lib.mkIf (options ? systemd) (acts "third");
      }
    )
  ];
}
