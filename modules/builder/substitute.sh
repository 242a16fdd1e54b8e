# shellcheck shell=bash
# Replacing texts in files, as nixpkgs's `substitute` does.

substituteStream() { # NAME OF A VARIABLE, FILE, CHANGES...
  local -n text_=$1
  local file=$2 how pattern replacement
  shift 2
  while [ $# -gt 0 ]; do
    how=$1
    case $how in
    --replace | --replace-fail | --replace-warn | --replace-quiet)
      pattern=$2 replacement=$3
      shift 3
      ;;
    --subst-var)
      pattern="@$2@" replacement=${!2-}
      [ -n "${!2+set}" ] || { echo "substitute: the variable $2 is not set" >&2 && return 1; }
      shift 2
      ;;
    --subst-var-by)
      pattern="@$2@" replacement=$3
      shift 3
      ;;
    *)
      echo "substitute: no such option: $how" >&2
      return 1
      ;;
    esac
    if [[ $text_ != *"$pattern"* ]]; then
      case $how in
      --replace-fail)
        echo "substitute: $file has no $pattern" >&2
        return 1
        ;;
      --replace | --replace-warn) echo "substitute: $file has no $pattern" >&2 ;;
      esac
    fi
    text_=${text_//"$pattern"/"$replacement"}
  done
}

# The whole text of a file, with the newlines at its end; bash has no NUL, as texts have none.
readWhole() { # NAME OF A VARIABLE, FILE
  [ -f "$2" ] || { echo "substitute: there is no file $2" >&2 && return 1; }
  IFS='' read -r -d '' "$1" <"$2" || true
}

substitute() { # SOURCE TARGET CHANGES...
  local source=$1 target=$2 text
  shift 2
  readWhole text "$source"
  substituteStream text "$source" "$@"
  # What comes from the store can't be written.
  [ ! -e "$target" ] || chmod u+w "$target"
  printf '%s' "$text" >"$target"
}

substituteInPlace() { # FILES... CHANGES...
  local files=() file
  while [ $# -gt 0 ] && [[ $1 != --* ]]; do
    files+=("$1")
    shift
  done
  for file in "${files[@]}"; do substitute "$file" "$file" "$@"; done
}

# Each exported variable that begins with a small letter, as nixpkgs has it.
substituteAll() { # SOURCE TARGET
  local changes=() name
  while read -r name; do
    [[ $name =~ ^[a-z][a-zA-Z0-9_]*$ ]] && changes+=(--subst-var "$name")
  done < <(compgen -e)
  substitute "$1" "$2" "${changes[@]}"
}
substituteAllInPlace() { substituteAll "$1" "$1"; }
