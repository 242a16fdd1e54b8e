{
  imports = [ { environment.etc.motd.mode = "0600"; } ];
  environment.etc.motd = {
    text = "hello";
    mode = "0644";
  };
}
