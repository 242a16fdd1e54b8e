{
  users.users.app = {
    isSystemUser = true;
    isNormalUser = true;
    group = "app";
  };
  users.groups.app = { };
}
