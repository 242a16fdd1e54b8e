{
  users.users.app.group = "app";
  users.groups.app = { };
}
