# An exporter of metrics, and a timer whose result it shows.
{
  name = "node-exporter";

  nodes.machine =
    { pkgs, ... }:
    {
      systemd.services.metrics = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "${pkgs.prometheus-node-exporter}/bin/node_exporter --collector.textfile.directory=/run/metrics --web.listen-address=127.0.0.1:9100";
          DynamicUser = true;
        };
      };
      systemd.services.answer = {
        script = ''
          echo "answer 42" >/run/metrics/answer.new
          mv /run/metrics/answer.new /run/metrics/answer.prom
        '';
        serviceConfig = {
          RuntimeDirectory = "metrics";
          RuntimeDirectoryPreserve = true;
        };
      };
      systemd.timers.answer = {
        wantedBy = [ "timers.target" ];
        timerConfig = {
          OnActiveSec = 0;
          AccuracySec = "10ms";
        };
      };
    };

  testScript = ''
    machine.wait_for_unit("answer.timer")
    machine.wait_for_unit("metrics.service")
    machine.wait_for_open_port(9100)
    metrics = "curl --fail --silent http://localhost:9100/metrics"
    machine.wait_until_succeeds(f"{metrics} | grep '^answer 42'", timeout=20)
    machine.succeed(f"{metrics} | grep '^node_'")
  '';
}
