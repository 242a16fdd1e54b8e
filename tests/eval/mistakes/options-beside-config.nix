{ lib, ... }:
{
  options.my.flag = lib.mkEnableOption "it";
  environment.etc.motd.text = "hello";
}
