# shellcheck shell=bash disable=SC2154 # variables come from the derivation
# What a build does where a module's script calls a program of the distribution, which is not there in a build.
#
# A host package is a folder of links, dangling here. One of the build's own tools takes the place of a program that
# is among them. A command of which nothing is read, whose output goes to the log, is a check, and is left out: the
# package that the script makes is named `unchecked-…`, and the plan lists it. All others fail.

exec {buildLog}>&1

# Whether one of the arguments is a file that the build does not have, and the program would make.
makesFile() { # ARGUMENTS...
  local argument
  for argument in "$@"; do
    [[ $argument != "$out"* || -e $argument ]] || return 0
  done
  return 1
}

callHostProgram() { # PROGRAM ARGUMENTS...
  local program=$1 output tool me=$BASHPID
  shift
  if tool=$(PATH=$tools type -P "${program##*/}"); then
    "$tool" "$@"
    return
  fi
  output=$(readlink "/proc/$me/fd/1")
  # What nobody has seen in the script would be left out without a word.
  if [[ ${name-} != unchecked-* ]] || [ "$BASH_SUBSHELL" -gt "$baseSubshell" ] || makesFile "$@" ||
    { [ "$output" != /dev/null ] && [ "$output" != "$(readlink "/proc/$me/fd/$buildLog")" ]; }; then
    echo "error: a build can't run ${program##*/}, which is the distribution's: $program $*" >&2
    echo "hint: let the module use a package of nixpkgs for it, or a file of your own" >&2
    exit 127
  fi
  echo "left out: ${program##*/} $*, since it is a program of the distribution" >&2
}
baseSubshell=$BASH_SUBSHELL

# Functions of the build that take the place of a program.
standIns='msgfmt'

nameHostPrograms() { # PACKAGE
  local program
  for program in "$1"/bin/* "$1"/sbin/*; do
    if [[ " $standIns " = *" ${program##*/} "* ]]; then
      eval "function $program { ${program##*/} \"\$@\"; }"
    elif [ -L "$program" ] && ! [ -e "$program" ]; then
      eval "function $program { callHostProgram $program \"\$@\"; }"
      # By its name alone, where the package is an input.
      [[ " ${nativeBuildInputs[*]} ${buildInputs[*]} " != *" $1 "* ]] || type -P "${program##*/}" >/dev/null ||
        eval "function ${program##*/} { callHostProgram $program \"\$@\"; }"
    fi
  done
}

# In the script, in its inputs, or in variables.
nameAllHostPrograms() {
  local package
  while read -r package; do
    nameHostPrograms "$package"
  done < <({
    printf '%s\n' "${buildCommand-}" "${nativeBuildInputs[*]}" "${buildInputs[*]}"
    env
    [ -z "${buildCommandPath-}" ] || cat "$buildCommandPath"
  } | grep -oE "$NIX_STORE/[0-9a-z]{32}-host-[a-zA-Z0-9+._?=-]+" | sort -u)
}
nameAllHostPrograms
