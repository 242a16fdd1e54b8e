# The host's name, time zone, locale and keyboard: what is set, however weakly.
{ lib, ... }:
{
  networking.hostName = "web-1";
  time.timeZone = lib.mkDefault "Europe/Rome";
  i18n.defaultLocale = lib.mkForce "it_IT.UTF-8";
  i18n.extraLocaleSettings.LC_TIME = "C.UTF-8";
  console.keyMap = "it";
}
