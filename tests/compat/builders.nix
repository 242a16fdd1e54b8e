# Scripts of builds as modules write them, with the distribution's programs as packages.
let
  inherit
    ((import ../.. { }).lib.evalSystemConfig {
      modules = [
        (
          { pkgs, ... }:
          {
            nixos-compat.hostPackages.enable = true;
            system.build.pkgs = pkgs;
          }
        )
      ];
    })
    config
    ;
  inherit (config.system.build) pkgs;
in
{
  bash =
    pkgs.runCommand "bash"
      {
        state = "y";
        none = null;
        # None of them is the build's own.
        package = "p";
        path = "q";
        inputs = "r";
        input = "s";
        list = [
          "a"
          "b"
        ];
      }
      ''
        if [[ $state == x || -z $state ]]; then echo wrong; fi >"$out"
        numbers=(1 2 3)
        assign() { local -n name=$1; name=set; }
        assign value
        mapfile -t lines < <(printf 'a\nb\n')
        echo "''${#numbers[@]} $value ''${#lines[@]} ''${none-unset} $list $(realpath -m /x/../y) $package$path$inputs$input" >>"$out"
        cp --no-preserve=mode ${builtins.toFile "t" "of @who@, X"} text
        substituteInPlace text --subst-var-by who us --replace-fail X Y
        cat text >>"$out"
      '';

  structured =
    pkgs.runCommand "structured"
      {
        __structuredAttrs = true;
        list = [
          "x y"
          "z"
        ];
      }
      ''
        printf '%s;' "''${list[@]}" >"$out"
      '';

  # `jq` and `grep` are tools of the build, also where a script names them as packages of the distribution.
  tools = pkgs.runCommand "tools" { nativeBuildInputs = [ pkgs.jq ]; } ''
    jq --compact-output . <<<'{ "a": 1 }' >"$out"
    ${pkgs.jq}/bin/jq .a "$out" >>"$out"
    if ${pkgs.gnugrep}/bin/grep --quiet nothing "$out"; then echo wrong >>"$out"; fi
  '';

  # So is `openssl`, with settings like those that the distribution has.
  certificate = pkgs.runCommand "certificate" { } ''
    ${pkgs.openssl}/bin/openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=it -keyout key -out certificate 2>/dev/null
    ${pkgs.openssl}/bin/openssl x509 -noout -subject -in certificate | tr -d ' ' >"$out"
  '';

  # Modules add to what makes a file of settings.
  added = ((pkgs.formats.json { }).generate "settings.json" { a = 1; }).overrideAttrs (old: {
    buildCommand = old.buildCommand + ''
      [[ $(jq .a "$out") == 1 ]]
      echo >>"$out"
      echo "$more $name" >>"$out"
    '';
    more = "more";
  });
  changed = (pkgs.runCommand "changed" { value = "old"; } ''echo "$value" >"$out"'').overrideAttrs (
    final: previous: { value = "${previous.value} ${final.name} new"; }
  );

  checked = pkgs.runCommand "file.conf" { nativeBuildInputs = [ pkgs.unbound ]; } ''
    echo made >"$out"
    unbound-checkconf "$out"
    ${pkgs.nginx}/bin/nginx -t -c "$out" >/dev/null
  '';

  # Calls that do not begin a line.
  spread =
    pkgs.runCommand "spread.conf"
      {
        NGINX = "${pkgs.nginx}/bin/nginx";
      }
      ''
        LANG=C ${pkgs.unbound}/bin/unbound-checkconf "$0"
        { ${pkgs.unbound}/bin/unbound-checkconf "$0"; }
        case x in x) ${pkgs.unbound}/bin/unbound-checkconf "$0" ;; esac
        until ${pkgs.unbound}/bin/unbound-checkconf "$0"; do exit 1; done
        $NGINX -t
        echo made >"$out"
      '';
  # One that only the build itself sees.
  hidden = pkgs.runCommand "hidden.conf" { } ''
    call() { "$@"; }
    call ${pkgs.nginx}/bin/nginx -t
    echo made >"$out"
  '';

  wrapped = pkgs.symlinkJoin {
    name = "wrapped";
    paths = [
      (pkgs.writeShellScriptBin "say" ''
        echo "$A" "$@" "''${LIST-}"
      '')
    ];
    nativeBuildInputs = [ pkgs.makeWrapper ];
    postBuild = ''
      wrapProgram $out/bin/say --set A 'b c' --add-flags '-d e' --prefix LIST : /x
    '';
  };

  generated = pkgs.runCommand "generated" { } ''
    ${pkgs.nginx}/bin/nginx -T >"$out"
  '';
  made = pkgs.runCommand "made" { } ''
    ${pkgs.nginx}/bin/nginx --write "$out"
  '';
  asked = pkgs.runCommand "asked" { } ''
    version=$(${pkgs.nginx}/bin/nginx -v)
    echo "$version" >"$out"
  '';
  unknown = pkgs.runCommand "unknown" { } ''
    json2toml </dev/null
    touch "$out"
  '';
  absent = pkgs.runCommand "absent" { } ''
    echo text >"$out"
    substituteInPlace "$out" --replace-fail other new
  '';
}
