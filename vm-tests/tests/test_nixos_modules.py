"""Unmodified modules of a real nixpkgs on a stock distribution, with the distribution's own programs.

They need a nixpkgs from outside of the project: `NIXPKGS=/path/of/nixpkgs vm-tests/run test_nixos_modules.py`, and
another distribution with `--image debian-13`. `--record-runs` writes what ran into `nixos-compat/report/runs.json`.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from api.systemd_api import SystemdMachine
from nixos_host import NIXPKGS, NixosHost, make_nixos_host
from nixos_services import SERVICES
from program.host import PROGRAM


@pytest.fixture
def host(
    request: pytest.FixtureRequest, make_machine: Callable[..., SystemdMachine], machine_kind: str, tmp_path: Path
) -> NixosHost:
    """A machine with servers installed, none of them running, and the program in it."""
    return make_nixos_host(request, make_machine, machine_kind, tmp_path)


NGINX = """
  services.nginx.enable = true;
  services.nginx.virtualHosts."example.org".root = "/srv/ROOT";
  systemd.tmpfiles.rules = [
    "d /srv/one 0755 root root -" "f /srv/one/index.html 0644 root root - first"
    "d /srv/two 0755 root root -" "f /srv/two/index.html 0644 root root - second"
  ];
"""
PAGE = "curl --fail --silent --show-error --header 'Host: example.org' http://localhost/"


@pytest.mark.nixos_module("services/web-servers/nginx/default.nix")
def test_nginx_serves_a_virtual_host_and_another_one_after_a_change(host: NixosHost) -> None:
    machine = host.machine
    host.switch(NGINX.replace("ROOT", "one"))
    machine.wait_for_unit("nginx.service")
    machine.wait_for_open_port(80)
    assert machine.succeed(PAGE) == "first"

    host.switch(NGINX.replace("ROOT", "two"))
    machine.wait_until_succeeds(f'test "$({PAGE})" = second', timeout=20)
    host.verdict("nginx.service")
    host.remove()
    # Debian's own, which is enabled, has pages of its own.
    machine.fail(f'test "$({PAGE})" = second')


# The module's own configuration stays, and what changes is read by a reload.
SITES = """
  services.nginx.enable = true;
  services.nginx.appendHttpConfig = "include /etc/nginx-sites.conf;";
  environment.etc."nginx-sites.conf".text = ''
    server { listen 80; listen [::]:80; server_name example.org; location / { root /srv; try_files /big =404; }
             location = /which { return 200 ROOT; } }
  '';
  systemd.services.nginx = {
    reloadIfChanged = true;
    restartTriggers = [ config.environment.etc."nginx-sites.conf".source ];
  };
"""

# Asks without a pause, and holds a download that it reads only after the change.
CLIENT = r"""
import http.client, json, os, pathlib, time
SIZE, there = 64 << 20, pathlib.Path("/run/client")
def ask(path):
    connection = http.client.HTTPConnection("127.0.0.1", timeout=20)
    connection.request("GET", path, headers={"Host": "example.org"})
    return connection.getresponse()
held = ask("/")
seen = {}
while True:
    try:
        word = ask("/which").read().decode()
    except OSError as error:
        word = repr(error)
    except http.client.HTTPException as error:
        word = repr(error)
    seen[word] = seen.get(word, 0) + 1
    (there / "asking").touch()
    if (there / "end").exists():
        break
try:
    length = len(held.read())
except (OSError, http.client.HTTPException) as error:
    length = repr(error)
(there / "result.new").write_text(json.dumps({"seen": seen, "length": length}))
os.rename(there / "result.new", there / "result")
"""


@pytest.mark.nixos_module("services/web-servers/nginx/default.nix")
def test_nginx_is_reloaded_without_dropping_a_connection(host: NixosHost) -> None:
    machine = host.machine
    which = PAGE + "which"
    host.switch(SITES.replace("ROOT", "first"))
    machine.wait_for_unit("nginx.service")
    machine.wait_until_succeeds(f'test "$({which})" = first', timeout=20)
    process = host.pid("nginx.service")

    machine.succeed("truncate --size 64M /srv/big", "mkdir /run/client")
    machine.succeed(f"cat >/run/client/client.py <<'END OF CLIENT'\n{CLIENT}\nEND OF CLIENT")
    machine.succeed("systemd-run --quiet --unit client python3 -I /run/client/client.py")
    machine.wait_for_file("/run/client/asking")
    output = host.switch(SITES.replace("ROOT", "second"))
    machine.wait_until_succeeds(f'test "$({which})" = second', timeout=20)
    machine.succeed("touch /run/client/end")
    machine.wait_for_file("/run/client/result")

    result = json.loads(machine.succeed("cat /run/client/result"))
    assert result["length"] == 64 << 20, result
    assert set(result["seen"]) == {"first", "second"}, result
    assert host.pid("nginx.service") == process, output
    machine.log(f"requests answered over the change: {result['seen']}")
    host.remove()


ACME = """
  # An authority of our own, which is installed by hand.
  nixos-compat.hostPackages.packages.lego.bin = [ "/usr/local/bin/lego" ];
  security.acme = { acceptTerms = true; defaults.email = "admin@example.org"; };
  services.nginx.enable = true;
  services.nginx.virtualHosts."example.org" = { enableACME = true; forceSSL = true; root = "/srv/www"; };
  systemd.tmpfiles.rules = [ "d /srv/www 0755 root root -" "f /srv/www/index.html 0644 root root - secret" ];
"""

# A client that has its authority at home: it fetches what nginx serves for the challenge, and signs.
LEGO = """#!/bin/sh -eu
while [ $# -gt 0 ]; do
  case $1 in
    -d) domain=$2 ;;
    --http.webroot) root=$2 ;;
  esac
  shift
done
echo proof >"$root/.well-known/acme-challenge/token"
url=http://localhost/.well-known/acme-challenge/token
answer=$(/usr/bin/curl --fail --silent --retry 30 --retry-connrefused --retry-delay 1 --header "Host: $domain" $url)
[ "$answer" = proof ]
cd certificates
openssl req -x509 -newkey rsa:2048 -nodes -keyout $domain.key -out $domain.crt -days 90 -subj "/O=Authority/CN=$domain"
cp $domain.crt $domain.issuer.crt
"""


@pytest.mark.nixos_module("services/web-servers/nginx/default.nix", "security/acme/default.nix")
def test_a_web_server_starts_with_a_certificate_of_its_own_and_gets_a_signed_one(host: NixosHost) -> None:
    machine = host.machine
    assert "/usr/local/bin/lego" in host.switch(ACME, expect=1)
    machine.succeed(f"cat >/usr/local/bin/lego <<'END'\n{LEGO}END\nchmod 755 /usr/local/bin/lego")

    # One that the host signed itself lets nginx start; the authority's follows.
    host.switch(ACME)
    machine.wait_for_unit("nginx.service")
    issuer = "openssl s_client -connect localhost:443 -servername example.org </dev/null | openssl x509 -noout -issuer"
    machine.wait_until_succeeds(f"{issuer} | grep --extended-regexp 'O ?= ?Authority'", timeout=60)
    page = "curl --insecure --fail --silent --resolve example.org:443:127.0.0.1 https://example.org/"
    assert machine.succeed(page) == "secret"
    # Its name was without `renew` until 2025.
    timers = "systemctl list-timers --no-legend 'acme-*example.org.timer' | grep --quiet acme-"
    machine.succeed(timers)

    host.remove()
    machine.fail(page)
    machine.fail(timers)


POSTGRESQL = """
  # Debian's own, which would take the port.
  systemd.maskedUnits = [ "postgresql@${config.nixos-compat.distributionFacts.postgresql}-main.service" ];
  services.postgresql = {
    enable = true;
    ensureDatabases = [ "app" ];
    ensureUsers = [ { name = "app"; ensureDBOwnership = true; } ];
    settings.work_mem = "SIZE";
  };
"""


@pytest.mark.nixos_module("services/databases/postgresql.nix")
def test_postgresql_makes_databases_and_keeps_data_over_a_rollback_and_a_redeploy(host: NixosHost) -> None:
    machine = host.machine

    def psql(statement: str, database: str = "postgres") -> str:
        return f"sudo -u postgres psql --no-align --tuples-only {database} --command {shlex.quote(statement)}"

    host.switch(POSTGRESQL.replace("SIZE", "5MB"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(psql("show work_mem")).strip() == "5MB"
    assert "app" in machine.succeed(psql("select datname from pg_database")).split()
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'app'"
    assert machine.succeed(psql(owner)).strip() == "app"
    machine.succeed(psql("create table t (n int)", "app"), psql("insert into t values (42)", "app"))

    host.switch(POSTGRESQL.replace("SIZE", "6MB"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(psql("show work_mem")).strip() == "6MB"
    host.run("rollback")
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(psql("show work_mem")).strip() == "5MB"
    host.remove()
    # Debian's own, which is enabled, has a cluster of its own.
    machine.fail(psql("select n from t", "app"))
    host.switch(POSTGRESQL.replace("SIZE", "7MB"))
    machine.wait_for_unit("postgresql.service")
    assert machine.succeed(psql("select n from t", "app")).strip() == "42"


SALT = """
  nixos-compat.hostPackages.packages.salt = {
    bin = map (n: "/usr/lib/pypi/bin/${n}") [ "salt" "salt-call" "salt-key" "salt-master" "salt-minion" "salt-run" ];
    version = "3008";
  };
  services.salt.master = {
    enable = true;
    configuration = { interface = "127.0.0.1"; publish_port = PORT; };
  };
  services.salt.minion = {
    enable = true;
    configuration = { master = "127.0.0.1"; publish_port = PORT; id = "here"; grains.role = "on PORT"; };
  };
"""


@pytest.mark.needs_image("salt")
@pytest.mark.nixos_module("services/admin/salt/master.nix", "services/admin/salt/minion.nix")
def test_salt_master_accepts_a_minion_and_commands_it(host: NixosHost) -> None:
    machine = host.machine
    salt = "/usr/lib/pypi/bin"

    def role() -> str:
        return f"timeout 60 {salt}/salt --timeout 20 --out txt here grains.get role"

    host.switch(SALT.replace("PORT", "4505"))
    machine.wait_for_unit("salt-master.service")
    machine.wait_until_succeeds(f"{salt}/salt-key --list unaccepted | grep --quiet here", timeout=120)
    machine.succeed(f"{salt}/salt-key --yes --accept here")
    machine.wait_until_succeeds(f"timeout 60 {salt}/salt here test.ping | grep --quiet True", timeout=180)
    assert machine.succeed(role()).strip() == "here: on 4505"

    host.switch(SALT.replace("PORT", "4515"))
    machine.wait_until_succeeds(f"{role()} | grep --quiet 'on 4515'", timeout=180)
    machine.fail("nc -z 127.0.0.1 4505")
    host.verdict("salt-master.service", "salt-minion.service")
    host.remove()
    machine.fail("nc -z 127.0.0.1 4515")


MAIL = """
  services.opensmtpd = {
    enable = true;
    serverConfiguration = ''
      listen on lo port PORT
      action "local" maildir "/var/mail-nixos/%{user.username}"
      match from any for local action "local"
    '';
  };
  # Debian's program has names of its own for its users.
  systemd.services.opensmtpd.preStart = lib.mkAfter ''
    chown root:opensmtpq /var/spool/smtpd/offline
    chown opensmtpq:root /var/spool/smtpd/purge
  '';
  services.dovecot2 = {
    enable = true;
    enablePAM = false;
    mailLocation = "maildir:/var/mail-nixos/%u";
    extraConfig = ''
      userdb {
        driver = passwd
      }
      passdb {
        driver = static
        args = password=secret
      }
      first_valid_uid = 0
    '';
  };
  environment.etc."dovecot/dovecot.conf".replaceExisting = true;
  users.users.reader = { isNormalUser = true; };
  systemd.tmpfiles.rules = [ "d /var/mail-nixos 1777 root root -" ];
"""


@pytest.mark.nixos_module("services/mail/opensmtpd.nix", "services/mail/dovecot.nix")
def test_a_mail_is_sent_over_smtp_delivered_and_read_over_imap(host: NixosHost) -> None:
    if host.distribution == "debian-13":
        pytest.skip("its dovecot 2.4 wants another form of settings than the module of 19.09 writes")
    machine = host.machine

    def send(port: str, subject: str) -> str:
        return (
            f"printf 'Subject: {subject}\\r\\n\\r\\nhello\\r\\n' | curl --fail --silent --show-error --upload-file -"
            f" --mail-from me@example.org --mail-rcpt reader@localhost smtp://localhost:{port}"
        )

    def read(number: int, subject: str) -> str:
        return f"curl --silent --user reader:secret 'imap://localhost/INBOX;MAILINDEX={number}' | grep {subject}"

    host.switch(MAIL.replace("PORT", "2525"))
    machine.wait_for_unit("opensmtpd.service")
    machine.wait_for_unit("dovecot2.service")
    machine.wait_until_succeeds(send("2525", "first"), timeout=30)
    machine.wait_until_succeeds(read(1, "first"), timeout=30)

    host.switch(MAIL.replace("PORT", "2526"))
    machine.wait_until_succeeds(send("2526", "second"), timeout=30)
    machine.fail(send("2525", "third"))
    machine.wait_until_succeeds(read(2, "second"), timeout=30)
    host.verdict("opensmtpd.service", "dovecot2.service")
    host.remove()
    machine.fail(send("2526", "third"))


CONTAINER = """
  # A machine that is a container lies in layers itself.
  virtualisation.containers = {
    storage.settings.storage.driver = "vfs";
    containersConf.settings.containers.keyring = false;
  };
  virtualisation.oci-containers = {
    backend = "podman";
    containers.web = {
      image = "localhost/web:1";
      cmd = [ "/bin/busybox" "httpd" "-f" "-p" "PORT" "-h" "/www" ];
      # No network and no groups of processes of its own can be made within a machine that is a container itself.
      extraOptions = [ "--network=host" "--cgroups=disabled" "--security-opt=seccomp=unconfined" ];
    };
  };
"""


@pytest.mark.nixos_module("virtualisation/oci-containers.nix", "virtualisation/podman/default.nix")
def test_a_container_of_podman_serves_and_is_replaced(host: NixosHost) -> None:
    machine = host.machine
    tree = "/root/image"
    machine.succeed(
        f"mkdir -p {tree}/bin {tree}/www && echo found >{tree}/www/index.html",
    )
    machine.copy_from_host("/bin/busybox", f"{tree}/bin/busybox")
    machine.succeed(f"tar --directory {tree} --create . | podman --storage-driver vfs import - localhost/web:1")

    def page(port: str) -> str:
        return f"test $(curl --fail --silent http://localhost:{port}/) = found"

    host.switch(CONTAINER.replace("PORT", "8190"))
    machine.wait_for_unit("podman-web.service")
    machine.wait_until_succeeds(page("8190"), timeout=60)
    host.switch(CONTAINER.replace("PORT", "8191"))
    machine.wait_until_succeeds(page("8191"), timeout=60)
    machine.fail(page("8190"))
    # Its own locks.
    host.remove("cni/net.d/cni.lock", "containers/networks", "containers/networks/netavark.lock")
    machine.fail(page("8191"))


@pytest.mark.nixos_module("services/network-filesystems/nfs/server.nix")
def test_a_folder_is_exported_by_nfs(host: NixosHost) -> None:
    machine = host.machine
    if "nfsd" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has no NFS server (modprobe nfsd)")
    host.switch('services.nfs.server = { enable = true; exports = "/srv 127.0.0.1(ro,insecure,fsid=0)"; };')
    machine.wait_for_unit("nfs-server.service")
    machine.wait_until_succeeds("showmount --exports localhost | grep --quiet /srv", timeout=30)
    host.remove()


# What a distribution has no package of, or what talks to servers elsewhere: its units are NixOS's own.
@pytest.mark.parametrize(
    "path", ["services/networking/tailscale.nix", "services/continuous-integration/gitlab-runner.nix"]
)
def test_units_are_those_of_nixos(path: str) -> None:
    if not NIXPKGS:
        pytest.skip(f"no nixpkgs at hand; run with: NIXPKGS=/path/of/nixpkgs vm-tests/run {Path(__file__).name}")
    argv = [str(PROGRAM), "compat", "--nixpkgs", NIXPKGS, "--compare", "--json", path]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
    (module,) = json.loads(done.stdout)["modules"]
    compared = module["compared"]
    assert compared["equal"] == module["enabled"]["units"] and not compared["missing"], compared


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=pytest.mark.nixos_module(path.split()[0])) for path in SERVICES]
)
def test_service_answers_is_reconfigured_and_goes_away(host: NixosHost, path: str) -> None:
    machine, service = host.machine, SERVICES[path]

    def configuration(value: str) -> str:
        return service.configuration.replace("VALUE", value)

    def probe(value: str) -> str:
        return service.probe.replace("VALUE", value)

    machine.succeed(service.prepare)
    first, second = service.first, service.second
    host.switch(configuration(first))
    machine.wait_for_unit(service.unit)
    machine.wait_until_succeeds(probe(first), timeout=30)

    host.switch(configuration(second))
    machine.wait_until_succeeds(probe(second), timeout=30)
    machine.fail(probe(first))

    host.verdict(service.unit, complaints=service.complaints)
    host.remove(*service.leaves)
    machine.fail(probe(second))
