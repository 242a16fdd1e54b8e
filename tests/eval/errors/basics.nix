# error: environment.etc: both an entry and an option of its own: `hostname` (set only `networking.hostName`)
# error: console.keyMap: the distribution knows maps by their names; name one instead of a file
{
  networking.hostName = "web-1";
  environment.etc.hostname.text = "web-2";
  console.keyMap = ./basics.nix;
}
