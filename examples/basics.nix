# The host's name, its time zone, its locale and its keyboard. What is left out stays as it is.
{
  networking.hostName = "web-1";
  time.timeZone = "Europe/Berlin";
  i18n.defaultLocale = "C.UTF-8";
  i18n.extraLocaleSettings.LC_TIME = "en_GB.UTF-8";
  console.keyMap = "de";
}
