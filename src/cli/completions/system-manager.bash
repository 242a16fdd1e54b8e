# Completion of system-manager for bash: the program itself is asked what may stand at the cursor.
_system_manager() {
    local line=${COMP_LINE:0:COMP_POINT} said value word=$2
    # Bash takes `a@b` and `--a=b` for several words, of which it completes the last one.
    local whole=${line##*[[:space:]]}
    local before=${whole%"$word"} all=1
    COMPREPLY=()
    while IFS= read -r said; do
        case $said in
            :nospace) compopt -o nospace ;;
            :files) compopt -o filenames
                while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "$word") ;;
            :folders) compopt -o filenames
                while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -d -- "$word") ;;
            *) value=${said%%$'\t'*}
                [[ $value == "$whole"* ]] || all=
                COMPREPLY+=("${value#"$before"}") ;;
        esac
    done < <("$1" complete-words line "$line" 2>/dev/null)
    # What is only alike has no common beginning: what was typed stays.
    [[ $all || ${#COMPREPLY[@]} -lt 2 ]] || COMPREPLY+=(" ")
}
complete -F _system_manager system-manager
