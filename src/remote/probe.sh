#!/bin/sh
# Sent over ssh to the target's /bin/sh, with MARK, PROMPT, USE_SUDO, EARLY and ASKED set before. See probe.rs.
main() {
  umask 022
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export PATH
  LC_ALL=C
  export LC_ALL
  cd /
  kept=/var/lib/system-manager/agent
  uid=$(id -u)
  if [ "$uid" = 0 ]; then
    own=$kept
  else
    own=${HOME:-/tmp}/.cache/system-manager/agent
  fi
  printf '\n%s\n' "$MARK"
  without_password=no
  run0=no
  [ "$USE_SUDO" = no ] || [ "$uid" = 0 ] || try_sudo
  [ -z "$EARLY" ] || early
  facts
  printf '%s\n' "$MARK"
  while read -r verb name rest; do
    case $verb in
      put) put "$name" "$rest" && continue ;;
      agent) become "$name" "$rest" ;;
    esac
    printf '\n%s failed\n' "$MARK"
  done
}

facts() {
  store=/nix/store
  [ -d $store ] || store=/nix
  [ -d $store ] || store=/
  # In this order, whatever is asked first; a name has no spaces.
  # shellcheck disable=SC2046
  set -- $(uname -snm)
  echo "kernel=$1"
  echo "name=$2"
  echo "machine=$3"
  echo "uid=$uid"
  if [ -d /run/systemd/system ]; then echo init=systemd; else echo "init=$(cat /proc/1/comm)"; fi
  nix=
  for folder in /usr/bin /usr/local/bin /nix/var/nix/profiles/default/bin /run/current-system/sw/bin \
    "$HOME/.nix-profile/bin"; do
    if [ -x "$folder/nix-store" ]; then
      nix=$folder/nix-store
      break
    fi
  done
  echo "nix=$nix"
  means=
  for program in sudo doas run0; do
    command -v $program >/dev/null && means="$means $program"
  done
  echo "means=$means"
  echo "without_password=$without_password"
  echo "run0=$run0"
  df -Pk $store | {
    read -r _
    read -r _ _ _ free _
    echo "free_kilobytes=$free"
  }
  programs=
  for program in "$kept"/* "$own"/* \
    /nix/var/nix/profiles/system-manager-profiles/system-manager/bin/system-manager; do
    [ -x "$program" ] && programs="$programs $program"
  done
  echo "programs=$programs"
}

try_sudo() {
  if sudo -n true 2>/dev/null; then
    without_password=yes
  else
    # A rule may be for the activator alone.
    case $(sudo -n -l 2>/dev/null) in
      *"NOPASSWD: "*"$own/"*) without_password=yes ;;
      *) try_run0 ;;
    esac
  fi
}

try_run0() { # where nothing else would do: it starts a service
  command -v run0 >/dev/null && ! command -v doas >/dev/null || return
  if run0 --no-ask-password -- true </dev/null >/dev/null 2>&1; then run0=yes; fi
}

early() { # a program that is expected to be here is asked at once: what followed this script, the shell would take
  # The host was looked at when it came.
  for program in "$kept/$EARLY" "$own/$EARLY"; do
    # Root has become the agent before this script was read.
    if [ "$without_password" = yes ]; then
      become sudo "$program" --asked "$ASKED"
    elif [ "$run0" = yes ]; then
      become run0 "$program" --asked "$ASKED"
    fi
  done
}

put() { # HASH SIZE: takes the program in from standard input
  # As the activator makes it: nobody may look around.
  if [ "$own" = $kept ] && ! [ -d "${kept%/*}" ]; then
    mkdir -m 711 "${kept%/*}" || return 1
  fi
  mkdir -p "$own" && [ -O "$own" ] || return 1
  head -c "$2" >"$own/$1.partial"
  if [ "$(wc -c <"$own/$1.partial")" = "$2" ] && chmod 755 "$own/$1.partial" && mv "$own/$1.partial" "$own/$1"; then
    printf '\n%s put %s\n' "$MARK" "$own/$1"
    return
  fi
  rm -f "$own/$1.partial"
  return 1
}

become() { # MEANS PATH [ARGUMENTS]
  [ -x "$2" ] || return
  printf '\n%s agent\n' "$MARK"
  means=$1
  program=$2
  shift 2
  case $means in
    root) exec "$program" agent "$@" ;;
    sudo) exec sudo -n -- "$program" agent "$@" ;;
    password) exec sudo -S -p "$PROMPT" -- "$program" agent "$@" ;;
    doas) exec doas -n -- "$program" agent "$@" ;;
    run0) exec run0 --no-ask-password -- "$program" agent "$@" ;;
  esac
}

main
