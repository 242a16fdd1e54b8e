{
  environment.etc."app.conf".source = ./parts/none.conf;
}
