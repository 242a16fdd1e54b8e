{
  environment.systemPackages = [ "git" ];
}
