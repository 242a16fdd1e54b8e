{
  users.users.alice.isNormalUser = "yes";
}
