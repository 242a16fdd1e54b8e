# error: The option `services.wbed' does not exist
# error: tests/compat/errors/typo.nix:5
# error: Did you mean `services.webd'
{
  services.wbed.enable = true;
}
