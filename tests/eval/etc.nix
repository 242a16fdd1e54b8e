# Files below /etc: links, copies, globs, folders.
{ lib, pkgs, ... }:
let
  folder = pkgs.linkFarm "conf.d" {
    "a.conf" = "/usr/share/a.conf";
    "b.conf" = "/usr/share/b.conf";
    "README" = "/usr/share/README";
  };
in
{
  environment.etc = {
    "plain".text = "plain\n";
    "from-file".source = ./file.txt;
    "folder".source = ./folder;
    "matches".source = "${folder}/*.conf";
    "host-file".source = "/usr/share/common-licenses/GPL-3";
    "renamed" = {
      target = "below/a/folder";
      text = "renamed\n";
    };
    "off" = {
      enable = false;
      text = "off\n";
    };
    "copied" = {
      text = "secret\n";
      mode = "4750";
      user = "daemon";
      gid = 4;
      replaceExisting = true;
    };
    "linked" = {
      mode = "direct-symlink";
      source = "/proc/mounts";
    };
    "joined".text = lib.mkMerge [
      (lib.mkAfter "last")
      "middle"
      (lib.mkBefore "first")
    ];
    "forced" = lib.mkMerge [
      { source = lib.mkDefault "/etc/hostname"; }
      { text = "the text wins\n"; }
    ];
    "refers-to-a-build".text = "include ${folder}/a.conf\n";
  };
}
