{
  enviroment.etc.motd.text = "hello";
}
