# Servers of the network, clusters and network file systems.
let
  kubernetes = {
    services.kubernetes = {
      apiserverAddress = "https://localhost:6443";
      masterAddress = "localhost";
    };
  };
in
{
  "services/audio/icecast.nix" = {
    services.icecast.hostname = "radio.example.org";
    services.icecast.admin.password = "secret";
  };
  "services/cluster/kubernetes/addon-manager.nix" = kubernetes;
  "services/cluster/kubernetes/apiserver.nix" = kubernetes;
  "services/cluster/kubernetes/controller-manager.nix" = kubernetes;
  "services/cluster/kubernetes/flannel.nix" = kubernetes;
  "services/cluster/kubernetes/kubelet.nix" = kubernetes;
  "services/cluster/kubernetes/pki.nix" = {
    imports = [ kubernetes ];
    services.kubernetes.caFile = "/etc/ca.pem";
    services.certmgr.specs.web = "/etc/spec";
  };
  "services/cluster/kubernetes/proxy.nix" = kubernetes;
  "services/cluster/kubernetes/scheduler.nix" = kubernetes;
  "services/computing/torque/mom.nix".services.torque.mom.serverNode = "localhost";
  "services/network-filesystems/ceph.nix".services.ceph = {
    global.fsid = "433a2193-4f8a-47a0-95d2-209d7ca2cca5";
    global.monInitialMembers = "a";
    mgr.enable = true;
    mgr.daemons = [ "a" ];
  };
  "services/network-filesystems/openafs/client.nix".services.openafsClient.cellName = "example.org";
  "services/network-filesystems/openafs/server.nix".services.openafsServer = {
    cellName = "example.org";
    cellServDB = [ { ip = "127.0.0.1"; } ];
  };
  "services/network-filesystems/xtreemfs.nix".services.xtreemfs = {
    dir.uuid = "1";
    dir.extraConfig = "";
    mrc.uuid = "2";
    mrc.extraConfig = "";
    osd.uuid = "3";
    osd.extraConfig = "";
  };
  "services/networking/btsync.nix".services.btsync = {
    deviceName = "name";
    enableWebUI = true;
  };
  "services/networking/charybdis.nix".services.charybdis.config = "";
  "services/networking/cjdns.nix".services.cjdns = {
    ETHInterface.bind = "all";
  };
  "services/networking/cntlm.nix".services.cntlm = {
    username = "user";
    domain = "example.org";
    proxy = [ "localhost:81" ];
  };
  "services/networking/dante.nix".services.dante.config = "logoutput: syslog";
  "services/networking/flannel.nix".services.flannel.network = "10.0.0.0/16";
  "services/networking/gvpe.nix".services.gvpe = {
    nodename = "node";
    ipAddress = "10.0.0.1";
    subnet = "10.0.0.0/24";
    configText = "port = 1";
  };
  "services/networking/haproxy.nix".services.haproxy.config = "defaults";
  "services/networking/matterbridge.nix".services.matterbridge.configFile = "/etc/matterbridge.toml";
  "services/networking/miniupnpd.nix".services.miniupnpd = {
    externalInterface = "eth0";
    internalIPs = [ "eth1" ];
  };
  "services/networking/mxisd.nix".services.mxisd.matrix.domain = "example.org";
  "services/networking/nftables.nix".networking = {
    nftables.ruleset = "";
    firewall.enable = false;
  };
  "services/networking/ngircd.nix".services.ngircd.config = "";
  "services/networking/nixops-dns.nix".services.nixops-dns.user = "root";
  "services/networking/ocserv.nix".services.ocserv.config = "";
  "services/networking/radvd.nix".services.radvd.config = "";
  "services/networking/stunnel.nix".services.stunnel.servers.web = {
    accept = 443;
    connect = 80;
    cert = "/etc/cert.pem";
  };
  "services/networking/supybot.nix".services.supybot.configFile = "/etc/supybot.cfg";
  "services/networking/websockify.nix".services.networking.websockify = {
    sslCert = "/etc/cert.pem";
    sslKey = "/etc/key.pem";
  };
  "services/networking/znc/default.nix".services.znc = {
    confOptions.passBlock = "<Pass>\n</Pass>";
    confOptions.userName = "znc";
  };
}
