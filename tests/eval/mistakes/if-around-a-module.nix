{ config, lib, ... }:
if config.networking.hostName == "a" then { } else { environment.etc.motd.text = "hello"; }
