# error: i18n.supportedLocales: locales for programs of nixpkgs are built from a nixpkgs, and there is none; name one with --nixpkgs, or leave the option out
{
  i18n.supportedLocales = [ "de_DE.UTF-8/UTF-8" ];
}
