# shellcheck shell=bash disable=SC2016,SC2154 # expanded when the wrapper runs; variables come from the derivation
# Scripts that start a program with a changed environment, as nixpkgs's `makeWrapper` makes them.

# A line that puts a value at one end of a variable's list.
joinLine() { # VARIABLE SEPARATOR VALUE END
  local old="\${$1:+$2\$$1}"
  [ "$4" = prefix ] || old="\${$1:+\$$1$2}"
  case $4 in
  prefix) printf 'export %s=%q"%s"\n' "$1" "$3" "$old" ;;
  suffix) printf 'export %s="%s"%q\n' "$1" "$old" "$3" ;;
  esac
}

makeWrapper() { # PROGRAM WRAPPER OPTIONS...
  local program=$1 wrapper=$2 before='' after='' name='"$0"' lines=''
  shift 2
  while [ $# -gt 0 ]; do
    case $1 in
    --set) lines+=$(printf 'export %s=%q' "$2" "$3")$'\n' && shift 3 ;;
    --set-default) lines+=$(printf 'export %s=${%s-%q}' "$2" "$2" "$3")$'\n' && shift 3 ;;
    --unset) lines+="unset $2"$'\n' && shift 2 ;;
    --prefix) lines+=$(joinLine "$2" "$3" "$4" prefix)$'\n' && shift 4 ;;
    --suffix) lines+=$(joinLine "$2" "$3" "$4" suffix)$'\n' && shift 4 ;;
    --run) lines+=$2$'\n' && shift 2 ;;
    --chdir) lines+=$(printf 'cd %q' "$2")$'\n' && shift 2 ;;
    --add-flag) before+=$(printf ' %q' "$2") && shift 2 ;;
    --append-flag) after+=$(printf ' %q' "$2") && shift 2 ;;
    --add-flags) before+=" $2" && shift 2 ;;
    --append-flags) after+=" $2" && shift 2 ;;
    --argv0) name=$(printf '%q' "$2") && shift 2 ;;
    --inherit-argv0) shift ;;
    *)
      echo "makeWrapper: no such option: $1" >&2
      return 1
      ;;
    esac
  done
  mkdir -p "$(dirname "$wrapper")"
  printf '#!%s\n%sexec -a %s %q%s "$@"%s\n' \
    "$shell" "$lines" "$name" "$program" "$before" "$after" >"$wrapper"
  chmod 0555 "$wrapper"
}
makeShellWrapper() { makeWrapper "$@"; }
makeBinaryWrapper() { makeWrapper "$@"; }

wrapProgram() { # PROGRAM OPTIONS...
  local program=$1 hidden
  hidden=$(dirname "$program")/.$(basename "$program")-wrapped
  [ -L "$program" ] || [ -e "$program" ] || { echo "wrapProgram: there is no $program" >&2 && return 1; }
  mv "$program" "$hidden"
  makeWrapper "$hidden" "$program" --inherit-argv0 "${@:2}"
}
wrapProgramShell() { wrapProgram "$@"; }
