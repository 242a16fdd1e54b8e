# Completion of system-manager for fish: the program itself is asked what may stand at the cursor.
function __system_manager_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l word (commandline --current-token --cut-at-cursor)
    for said in ($words[1] complete-words words $words[2..-1] "$word" 2>/dev/null)
        switch $said
            case :nospace
            case :files
                __fish_complete_path $word
            case :folders
                __fish_complete_directories $word ''
            case '*'
                echo $said
        end
    end
end
complete --command system-manager --no-files --keep-order --arguments '(__system_manager_complete)'
