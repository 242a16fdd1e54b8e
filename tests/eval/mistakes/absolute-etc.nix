{
  environment.etc."/app.conf".text = "x";
}
