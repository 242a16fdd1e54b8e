{
  users.users.app.isSystemUser = true;
}
