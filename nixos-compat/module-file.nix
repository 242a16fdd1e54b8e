# The file that an import names, as a string without context: `nginx` and `nginx/default.nix` are one module.
path:
let
  plain = builtins.unsafeDiscardStringContext (toString path);
  # Asked of each module of a nixpkgs, and a regular expression would take longer.
  length = builtins.stringLength plain;
  isNix = length > 4 && builtins.substring (length - 4) 4 plain == ".nix";
in
if !isNix && builtins.pathExists (/. + "${plain}/default.nix") then
  "${plain}/default.nix"
else
  plain
