# Packages in the PATH, and variables.
{ pkgs, ... }:
let
  tool =
    text:
    pkgs.linkFarm "tool-${text}" {
      "bin/tool" = "/opt/${text}/tool";
      "bin/tool-${text}" = "/opt/${text}/tool";
      "share/doc/tool/${text}" = "/opt/${text}/doc";
      "libexec/hidden" = "/opt/hidden";
    };
in
{
  environment.systemPackages = [
    pkgs.gnugrep
    (tool "two" // { meta.priority = 7; })
    (tool "one")
    (tool "one")
  ];
  # It adds to the folders that every configuration has.
  environment.pathsToLink = [ "/libexec" ];
  environment.variables = {
    EDITOR = "vim";
    LIST = [
      "$HOME/a"
      "/b"
    ];
    NUMBER = 3;
    NOTHING = null;
  };
}
