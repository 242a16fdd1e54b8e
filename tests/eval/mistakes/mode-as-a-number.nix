{
  environment.etc."app.conf" = {
    text = "x";
    mode = 644;
  };
}
