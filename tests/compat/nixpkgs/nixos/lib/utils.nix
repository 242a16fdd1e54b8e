{ lib, config, ... }:
{
  # Enough of `systemd-escape` for the names that this tree's modules use.
  escapeSystemdPath = path: lib.replaceStrings [ "/" ] [ "-" ] (lib.removePrefix "/" path);
  escapeSystemdExecArgs = lib.concatMapStringsSep " " (
    arg: lib.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON (toString arg))
  );
  types = lib.types // {
    small = lib.types.ints.between (-19) 19;
    folder = lib.types.addCheck lib.types.str (path: path != config.networking.hostName);
  };
}
