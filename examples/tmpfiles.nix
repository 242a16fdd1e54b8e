# Folders that must exist, and one that is cleaned up by age.
#
#   system-manager switch --file examples/tmpfiles.nix
#   ls -ld /var/lib/uploads /var/lib/uploads/incoming
{
  # Lines as in tmpfiles.d(5) ...
  systemd.tmpfiles.rules = [
    "d /var/lib/uploads 0755 root root -"
  ];

  # ... or the same as data: files in this folder are removed when they are 10 days old.
  systemd.tmpfiles.settings."10-uploads"."/var/lib/uploads/incoming".d = {
    mode = "1777";
    user = "root";
    group = "root";
    age = "10d";
  };
}
