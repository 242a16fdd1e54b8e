# shellcheck shell=bash disable=SC1090,SC2154 # the variable comes from the activation
# What NixOS's activation scripts share, since one shell runs them all there: variables and functions. Here each is a
# process of its own, which finds those of the scripts before it in $_activationShell and leaves its own there.
umask 0022
if [ -e "$_activationShell" ]; then
  . "$_activationShell"
fi
_localstatus=0

_activationEnd() {
  trap - ERR
  set +eu
  (
    umask 0077
    {
      compgen -v | while IFS= read -r _name; do
        case $_name in
          # The shell's own, which change by themselves or can't be set.
          _ | _name | _localstatus | _activationShell | BASH* | COMP_* | DIRSTACK | EPOCH* | FUNCNAME | GROUPS | LINENO) continue ;;
          PIPESTATUS | RANDOM | REPLY | SECONDS | SHELLOPTS | SRANDOM) continue ;;
        esac
        # A variable that can't be changed can't be read back, either.
        case ${!_name@a} in
          *r*) continue ;;
        esac
        declare -p "$_name" 2>/dev/null
      done
      declare -f
    } >"$_activationShell.new" && mv -f "$_activationShell.new" "$_activationShell"
  ) || _localstatus=$?
  exit "$_localstatus"
}
trap '_localstatus=$?' ERR
