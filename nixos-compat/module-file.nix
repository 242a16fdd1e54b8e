# The file that an import names, as a string without context: `nginx` and `nginx/default.nix` are one module.
path:
let
  plain = builtins.unsafeDiscardStringContext (toString path);
  isNix = builtins.match ".*[.]nix" plain != null;
in
if !isNix && builtins.pathExists (/. + "${plain}/default.nix") then
  "${plain}/default.nix"
else
  plain
