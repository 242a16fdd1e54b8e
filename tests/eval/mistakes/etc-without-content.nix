{
  environment.etc."app.conf" = { };
}
