#compdef system-manager
# Completion of system-manager for zsh: the program itself is asked what may stand at the cursor.
_system-manager() {
    local said value
    local -a values shown more
    for said in "${(@f)$("${(Q)words[1]}" complete-words words "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        case $said in
            '') ;;
            :nospace) more=(-S '') ;;
            :files) _files ;;
            :folders) _files -/ ;;
            *) value=${said%%$'\t'*}
                values+=("$value")
                if [[ $said == *$'\t'?* ]]; then shown+=("$value  -- ${said#*$'\t'}"); else shown+=("$value"); fi ;;
        esac
    done
    (( ${#values} )) && compadd -U -l -d shown "${more[@]}" -a values
}
if [[ $funcstack[1] == _system-manager ]]; then
    _system-manager "$@"
else
    compdef _system-manager system-manager
fi
