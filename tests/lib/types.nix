# What the types and functions of the embedded library evaluate to: `{ expr; expected; }` per behaviour.
let
  lib = import ../../modules/lib;
  inherit (lib) mkOption types;

  configOf = modules: (lib.evalModules { inherit modules; }).config;

  # The value of one option `x` of a type, with the given definitions, each in a module of its own.
  valueOf =
    type: definitions:
    (configOf ([ { options.x = mkOption { inherit type; }; } ] ++ map (x: { inherit x; }) definitions))
    .x;

  accepts = type: value: (builtins.tryEval (builtins.deepSeq (valueOf type [ value ]) true)).success;
in
{
  types_accept_and_refuse = {
    expr = {
      port = map (accepts types.port) [
        0
        65535
        65536
        (-1)
        "80"
      ];
      positive = map (accepts types.ints.positive) [
        1
        0
      ];
      between = map (accepts (types.ints.between 1 3)) [
        1
        3
        4
      ];
      path = map (accepts types.path) [
        "/etc"
        ./.
        "etc"
        1
      ];
      str = map (accepts types.str) [
        ""
        1
        ./.
      ];
      nonEmptyStr = map (accepts types.nonEmptyStr) [
        "a"
        " "
      ];
      strMatching = map (accepts (types.strMatching "[a-z]+")) [
        "abc"
        "Abc"
      ];
      enum =
        map
          (accepts (
            types.enum [
              "a"
              1
            ]
          ))
          [
            "a"
            1
            "b"
          ];
      nullOr = map (accepts (types.nullOr types.int)) [
        null
        1
        "x"
      ];
      either = map (accepts (types.either types.int types.str)) [
        1
        "x"
        [ ]
      ];
      oneOf =
        map
          (accepts (
            types.oneOf [
              types.int
              types.str
              types.bool
            ]
          ))
          [
            true
            null
          ];
      listOf = map (accepts (types.listOf types.int)) [
        [ 1 ]
        [ "x" ]
        { }
      ];
      nonEmptyListOf = map (accepts (types.nonEmptyListOf types.int)) [
        [ 1 ]
        [ ]
      ];
      attrTag = map (accepts (types.attrTag { a = mkOption { type = types.int; }; })) [
        { a = 1; }
        { a = "x"; }
        { b = 1; }
        { }
      ];
      passwdEntry = map (accepts (types.passwdEntry types.str)) [
        "a b"
        "a:b"
      ];
      coercedTo = map (accepts (types.coercedTo types.int toString types.str)) [
        1
        "x"
        [ ]
      ];
    };
    expected = {
      port = [
        true
        true
        false
        false
        false
      ];
      positive = [
        true
        false
      ];
      between = [
        true
        true
        false
      ];
      path = [
        true
        true
        false
        false
      ];
      str = [
        true
        false
        false
      ];
      nonEmptyStr = [
        true
        false
      ];
      strMatching = [
        true
        false
      ];
      enum = [
        true
        true
        false
      ];
      nullOr = [
        true
        true
        false
      ];
      either = [
        true
        true
        false
      ];
      oneOf = [
        true
        false
      ];
      listOf = [
        true
        false
        false
      ];
      nonEmptyListOf = [
        true
        false
      ];
      attrTag = [
        true
        false
        false
        false
      ];
      passwdEntry = [
        true
        false
      ];
      coercedTo = [
        true
        true
        false
      ];
    };
  };

  values_are_merged_by_type = {
    expr = {
      bool = valueOf types.bool [
        true
        true
      ];
      commas = valueOf types.commas [
        "a"
        "b"
      ];
      anything = valueOf types.anything [
        { a.b = 1; }
        { a.c = 2; }
      ];
      functionTo = valueOf (types.functionTo (types.listOf types.int)) [
        (x: [ x ])
        (x: [ (x + 1) ])
      ] 1;
      coercedTo = valueOf (types.coercedTo types.int toString types.str) [ 7 ];
      deferred =
        (configOf [
          { options.y = mkOption { }; }
          (valueOf types.deferredModule [ { y = 9; } ])
        ]).y;
      empty = valueOf (types.listOf types.int) [ ];
    };
    expected = {
      bool = true;
      commas = "b,a";
      anything.a = {
        b = 1;
        c = 2;
      };
      functionTo = [
        2
        1
      ];
      coercedTo = "7";
      deferred = 9;
      empty = [ ];
    };
  };

  shell_arguments_are_quoted_when_needed = {
    expr = lib.escapeShellArgs [
      "plain"
      "two words"
      "it's"
      "$HOME"
    ];
    expected = "plain 'two words' 'it'\\''s' '$HOME'";
  };

  generators_write_files = {
    expr = {
      ini = lib.generators.toINI { } {
        s = {
          a = 1;
          b = true;
        };
      };
      keys = lib.generators.toKeyValue { listsAsDuplicateKeys = true; } {
        k = [
          "x"
          "y"
        ];
      };
      git = lib.generators.toGitINI { user.name = "bob \"b\" \\"; };
      line = lib.cli.toGNUCommandLineShell { } {
        v = true;
        name = "a b";
        skip = null;
      };
    };
    expected = {
      ini = "[s]\na=1\nb=true\n";
      keys = "k=x\nk=y\n";
      git = "[user]\n\tname = \"bob \\\"b\\\" \\\\\"\n";
      line = "--name 'a b' -v";
    };
  };

  library_can_be_extended = {
    expr = (lib.extend (_final: prev: { twice = x: prev.add x x; })).twice 4;
    expected = 8;
  };
}
