# What the embedded library evaluates to: `{ expr; expected; }` per behaviour.
let
  lib = import ../../modules/lib;
  inherit (lib) mkOption types;

  configOf = modules: (lib.evalModules { inherit modules; }).config;

  # The value of one option `x` of a type, with the given definitions, each in a module of its own.
  valueOf =
    type: definitions:
    (configOf ([ { options.x = mkOption { inherit type; }; } ] ++ map (x: { inherit x; }) definitions))
    .x;

  renamed = definitions: configOf ([ ./fixtures/renamed.nix ] ++ definitions);
in
{
  strongest_priority_wins = {
    expr = valueOf types.int [
      (lib.mkDefault 1)
      2
      (lib.mkForce 3)
      (lib.mkOptionDefault 4)
    ];
    expected = 3;
  };

  vm_override_beats_force = {
    expr = valueOf types.int [
      (lib.mkForce 1)
      (lib.mkVMOverride 2)
    ];
    expected = 2;
  };

  default_yields_to_any_definition = {
    expr =
      (configOf [
        {
          options.x = mkOption {
            type = types.listOf types.str;
            default = [ "default" ];
          };
        }
        { x = lib.mkDefault [ "defined" ]; }
      ]).x;
    expected = [ "defined" ];
  };

  priorities_apply_to_whole_groups = {
    expr =
      (configOf [
        {
          options.group.x = mkOption { type = types.int; };
          options.group.y = mkOption { type = types.int; };
        }
        {
          group = lib.mkForce {
            x = 1;
            y = 1;
          };
        }
        {
          group.x = 2;
          group.y = lib.mkOverride 10 3;
        }
      ]).group;
    expected = {
      x = 1;
      y = 3;
    };
  };

  a_losing_definition_is_not_evaluated = {
    expr = valueOf types.int [
      (lib.mkDefault (throw "evaluated"))
      5
    ];
    expected = 5;
  };

  order_sorts_lists_and_lines = {
    expr = {
      list = valueOf (types.listOf types.str) [
        (lib.mkAfter [ "last" ])
        [ "middle" ]
        (lib.mkBefore [ "first" ])
        (lib.mkOrder 1200 [ "late" ])
      ];
      lines = valueOf types.lines [
        (lib.mkAfter "b")
        (lib.mkBefore "a")
      ];
    };
    expected = {
      list = [
        "first"
        "middle"
        "late"
        "last"
      ];
      lines = "a\nb";
    };
  };

  conditions_drop_definitions = {
    expr =
      (configOf [
        (
          { config, ... }:
          {
            options.enable = lib.mkEnableOption "it";
            options.x = mkOption { type = types.attrsOf types.int; };
            config = lib.mkMerge [
              { enable = true; }
              (lib.mkIf config.enable { x.on = 1; })
              (lib.mkIf (!config.enable) { x.off = throw "evaluated"; })
              { x.never = lib.mkIf false 2; }
            ];
          }
        )
      ]).x;
    expected = {
      on = 1;
    };
  };

  submodules_know_their_name_and_merge = {
    expr =
      (configOf [
        {
          options.users = mkOption {
            type = types.attrsOf (
              types.submodule (
                { name, config, ... }:
                {
                  options.home = mkOption {
                    type = types.str;
                    default = "/home/${name}";
                  };
                  options.shell = mkOption { type = types.str; };
                  options.summary = mkOption { default = "${config.home} ${config.shell}"; };
                }
              )
            );
          };
        }
        { users.ada.shell = lib.mkDefault "/bin/sh"; }
        { users.ada.shell = "/bin/bash"; }
      ]).users;
    expected.ada = {
      home = "/home/ada";
      shell = "/bin/bash";
      summary = "/home/ada /bin/bash";
    };
  };

  two_declarations_of_a_submodule_are_one = {
    expr =
      (configOf [
        { options.s = mkOption { type = types.submodule { options.a = mkOption { default = 1; }; }; }; }
        { options.s = mkOption { type = types.submodule { options.b = mkOption { default = 2; }; }; }; }
        { options.s.c = mkOption { default = 3; }; }
      ]).s;
    expected = {
      a = 1;
      b = 2;
      c = 3;
    };
  };

  freeform_takes_what_is_not_declared = {
    expr =
      (configOf [
        {
          options.settings = mkOption {
            type = types.submodule {
              freeformType = types.attrsOf (types.either types.int types.str);
              options.port = mkOption {
                type = types.port;
                default = 80;
              };
            };
          };
        }
        {
          settings.name = lib.mkForce "kept";
          settings.retries = 3;
        }
        { settings.name = "lost"; }
      ]).settings;
    expected = {
      name = "kept";
      port = 80;
      retries = 3;
    };
  };

  disabled_modules_leave_no_trace = {
    expr =
      (configOf [
        { options.x = mkOption { default = 0; }; }
        {
          key = "switched-off";
          config.x = 1;
        }
        { disabledModules = [ { key = "switched-off"; } ]; }
      ]).x;
    expected = 0;
  };

  arguments_come_from_modules_and_callers = {
    expr =
      (lib.evalModules {
        specialArgs.where = "caller";
        modules = [
          { _module.args.who = "module"; }
          (
            { who, where, ... }:
            {
              options.x = mkOption { default = "${who} ${where}"; };
            }
          )
        ];
      }).config.x;
    expected = "module caller";
  };

  unchecked_evaluations_ignore_strays = {
    expr = configOf [
      { options.x = mkOption { default = 1; }; }
      {
        _module.check = false;
        stray = 2;
      }
    ];
    expected.x = 1;
  };

  renamed_options_pass_on_and_warn = {
    expr =
      let
        result = renamed [ { old.name = "n"; } ];
      in
      {
        inherit (result.new) name;
        inherit (result) alias;
        warned = map (lib.hasInfix "has been renamed to `new.name'") result.warnings;
      };
    expected = {
      name = "n";
      alias = "n";
      warned = [ true ];
    };
  };

  aliases_keep_priorities_and_do_not_warn = {
    expr =
      let
        result = renamed [
          { alias = lib.mkForce "forced"; }
          { new.name = "plain"; }
        ];
      in
      {
        inherit (result.new) name;
        inherit (result) warnings;
      };
    expected = {
      name = "forced";
      warnings = [ ];
    };
  };

  removed_options_fail_an_assertion = {
    expr =
      let
        inherit (renamed [ { gone = 1; } ]) assertions;
      in
      map (a: a.assertion || !(lib.hasInfix "Use `new.name'." a.message)) assertions;
    expected = [ false ];
  };

  changed_options_make_the_new_value = {
    expr =
      let
        result = renamed [ { count = 2; } ];
      in
      {
        inherit (result) names;
        warned = lib.length result.warnings;
      };
    expected = {
      names = [
        "0"
        "1"
      ];
      warned = 1;
    };
  };

  extended_configurations_keep_the_first = {
    expr =
      let
        first = lib.evalModules {
          modules = [
            { options.x = mkOption { type = types.int; }; }
            { x = lib.mkDefault 1; }
          ];
        };
      in
      [
        first.config.x
        (first.extendModules { modules = [ { x = 2; } ]; }).config.x
      ];
    expected = [
      1
      2
    ];
  };

  documentation_lists_options_of_submodules = {
    expr =
      let
        inherit
          (lib.evalModules {
            modules = [
              {
                options.services = mkOption {
                  type = types.attrsOf (
                    types.submodule {
                      options.port = mkOption {
                        type = types.port;
                        default = 80;
                        description = "Its port.";
                      };
                    }
                  );
                  default = { };
                };
              }
            ];
          })
          options
          ;
      in
      map
        (o: {
          inherit (o) name type;
          default = o.default.text or null;
        })
        (
          lib.filter (o: !o.internal && lib.hasPrefix "services" o.name) (lib.optionAttrSetToDocList options)
        );
    expected = [
      {
        name = "services";
        type = "attribute set of (submodule)";
        default = "{ }";
      }
      {
        name = "services.<name>.port";
        type = "16 bit unsigned integer; between 0 and 65535 (both inclusive)";
        default = "80";
      }
    ];
  };

  definitions_know_their_lines = {
    expr =
      let
        inherit
          ((lib.evalModules {
            modules = [
              { options.mode = mkOption { type = types.str; }; }
              ./fixtures/second.nix
            ];
          }).options.mode
          )
          definitionsWithLocations
          ;
      in
      map (d: [
        (baseNameOf d.file)
        d.pos.line
      ]) definitionsWithLocations;
    expected = [
      [
        "second.nix"
        2
      ]
    ];
  };
}
