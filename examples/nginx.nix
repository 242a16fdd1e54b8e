# A web server on port 8080 that runs the distribution's own nginx, which apt or dnf keeps patched.
#
#   apt-get install nginx-light        # or: dnf install nginx
#   system-manager switch --file examples/nginx.nix
#   curl http://localhost:8080/
{ pkgs, config, ... }:
let
  nginx = pkgs.hostPackage {
    name = "nginx";
    bin = [ "/usr/sbin/nginx" ];
    install = {
      debian = "nginx-light";
      fedora = "nginx";
    };
  };
in
{
  environment.etc."web/index.html".text = ''
    <!doctype html>
    <title>It works</title>
    <p>This page is managed by system-manager.</p>
  '';

  environment.etc."web/nginx.conf".text = ''
    daemon off;
    pid /run/web/nginx.pid;
    error_log stderr;
    events { }
    http {
      access_log off;
      types {
        text/html html;
      }
      client_body_temp_path /run/web/body;
      proxy_temp_path /run/web/proxy;
      fastcgi_temp_path /run/web/fastcgi;
      uwsgi_temp_path /run/web/uwsgi;
      scgi_temp_path /run/web/scgi;
      server {
        listen 8080;
        root /etc/web;
      }
    }
  '';

  systemd.services.web = {
    description = "A web server";
    wantedBy = [ "multi-user.target" ];
    after = [ "network.target" ];
    path = [ nginx ];
    restartTriggers = [ config.environment.etc."web/nginx.conf".source ];
    serviceConfig = {
      ExecStart = "${nginx}/bin/nginx -c /etc/web/nginx.conf";
      ExecReload = "/bin/kill -HUP $MAINPID";
      RuntimeDirectory = "web";
      Restart = "on-failure";
    };
  };
}
