# What the embedded library says when a config is wrong: `says` are parts of the message, in order.
let
  lib = import ../../modules/lib;
  inherit (lib) mkOption types;

  configOf = modules: (lib.evalModules { inherit modules; }).config;
  wrong = configOf [ ./fixtures/type-errors.nix ];
  strict =
    definition:
    configOf [
      ./fixtures/type-errors.nix
      definition
    ];
in
{
  type_error_names_option_file_and_line = {
    expr = wrong.port;
    says = [
      "`port' is not of type `16 bit unsigned integer; between 0 and 65535 (both inclusive)'"
      "/fixtures/type-errors.nix:27': \"eighty\""
    ];
  };

  type_error_in_a_submodule_names_its_line = {
    expr = wrong.services.web.user;
    says = [
      "`services.web.user' is not of type `string'"
      "/fixtures/type-errors.nix:29': 3"
    ];
  };

  type_error_in_a_set_names_its_line = {
    expr = builtins.deepSeq wrong.environment null;
    says = [
      "`environment.DEPTH' is not of type `string'"
      "/fixtures/type-errors.nix:38': 3"
    ];
  };

  type_error_in_a_list_names_the_entry = {
    expr = builtins.deepSeq wrong.services.web.tags null;
    says = [
      "`services.web.tags.[definition 1-entry 2]' is not of type `string'"
      "/fixtures/type-errors.nix:30': 7"
    ];
  };

  unknown_option_names_the_nearest = {
    expr = wrong.services.typo;
    says = [
      "The option `services.typo.usr' does not exist"
      "/fixtures/type-errors.nix:35': \"nobody\""
      "Did you mean `services.typo.user'"
    ];
  };

  conflicting_values_name_both_places = {
    expr = (strict ./fixtures/second.nix).mode;
    says = [
      "`mode' has conflicting definition values"
      "/fixtures/second.nix:2': \"off\""
      "/fixtures/type-errors.nix:36': \"on\""
    ];
  };

  read_only_options_take_one_value = {
    expr = wrong.fixed;
    says = [
      "`fixed' is read-only, yet it has more than one definition"
      "/fixtures/type-errors.nix:37': 2"
    ];
  };

  undefined_options_say_so = {
    expr = (configOf [ { options.x = mkOption { type = types.int; }; } ]).x;
    says = [ "The option `x' was accessed but has no value defined" ];
  };

  double_declarations_name_both_files = {
    expr =
      (configOf [
        ./fixtures/type-errors.nix
        {
          _file = "again.nix";
          options.port = mkOption { type = types.str; };
        }
      ]).port;
    says = [
      "The option `port' in `"
      "/fixtures/type-errors.nix' is already declared in `again.nix'"
    ];
  };

  removed_options_say_what_to_do = {
    expr = (configOf [ ./fixtures/renamed.nix ]).gone;
    says = [
      "`gone' was read, but the option was removed"
      "Use `new.name'."
    ];
  };

  modules_with_stray_attributes_are_refused = {
    expr = configOf [
      {
        _file = "mixed.nix";
        config = { };
        enable = true;
      }
    ];
    says = [ "unsupported attribute `enable'" ];
  };

  missing_arguments_name_the_module = {
    expr =
      (configOf [
        (
          { pkgs, ... }:
          {
            options.x = mkOption { default = pkgs; };
          }
        )
      ]).x;
    says = [ "The module `:anon-1' asks for the argument `pkgs'" ];
  };

  class_mismatch_names_both = {
    expr =
      (lib.evalModules {
        class = "host";
        modules = [
          {
            _class = "home";
            _file = "home.nix";
          }
        ];
      }).config;
    says = [
      "The module `home.nix` is of class \"home\""
      "expects class \"host\""
    ];
  };
}
