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
    # What has a meaning to a shell, and must stay what it is.
    ODD = "a \"quote\", `id`, 5$, a tab\t, two\nlines, it's; \\";
    EXPANDED = "$HOME/x:\${XDG_STATE_HOME:-$HOME/.state}:$(id -un):\\$HOME";
    EDITOR = "vim";
    LIST = [
      "$HOME/a"
      "/b"
    ];
    NUMBER = 3;
    NOTHING = null;
  };
}
