{ config, ... }:
{
  assertions = [
    {
      assertion = config.environment.systemPackages != [ ];
      message = "the host needs a program";
    }
  ];
}
