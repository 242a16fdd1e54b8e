# The certificates of authorities that the distribution trusts. Modules hand their file to programs.
{ config, lib, ... }:
let
  bundles = {
    debian = "/etc/ssl/certs/ca-certificates.crt";
    fedora = "/etc/pki/tls/certs/ca-bundle.crt";
  };
in
{
  options.security.pki.caBundle = lib.mkOption {
    type = lib.types.path;
    readOnly = true;
    default = bundles.${config.nixos-compat.distributionFacts.family};
    defaultText = lib.literalExpression "the distribution's file";
    description = ''
      The file with the certificates of all authorities that the distribution trusts. Add your own with the
      distribution's tools, such as `update-ca-certificates`.
    '';
  };
}
