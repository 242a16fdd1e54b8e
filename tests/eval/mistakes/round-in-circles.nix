{ config, ... }:
{
  environment.etc.motd.text = "${config.environment.etc.motd.text}!";
}
