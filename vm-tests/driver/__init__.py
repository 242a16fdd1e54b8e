"""A script on machines that have names, with the words that NixOS's driver gives it."""
