# A person who administers the machine, and a service with an account of its own.
{
  users.users.alice = {
    isNormalUser = true;
    description = "Alice";
    extraGroups = [ "sudo" ];
    initialHashedPassword = "!";
    openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@example.org"
    ];
  };

  users.users.notes = {
    isSystemUser = true;
    group = "notes";
    home = "/var/lib/notes";
    createHome = true;
  };
  users.groups.notes.members = [ "alice" ];

  systemd.services.notes = {
    description = "A service that runs as its own user";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      User = "notes";
      ExecStart = "/bin/sleep infinity";
    };
  };
}
