{
  environment.etc.motd.text = greeting;
}
