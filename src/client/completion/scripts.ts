/**
 * The shells' side of completion: they hand over the words up to the cursor and get lines back, "WORD<tab>WHAT IT IS",
 * or one line ":files" where the shell's own completion of files is wanted.
 */
const bash = `# gantry completion bash, to be sourced: source <(gantry completion bash)
_gantry() {
  local IFS=$'\\n' line word current="\${COMP_WORDS[COMP_CWORD]}" words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  # Bash makes words of their own of ":" and "=": put back together what the user typed as one.
  if declare -F _get_comp_words_by_ref >/dev/null; then
    local cword words_ current_
    _get_comp_words_by_ref -n := -c current_ -w words_ -i cword
    current=$current_ words=("\${words_[@]:1:cword}")
  fi
  for line in $("\${COMP_WORDS[0]}" __complete -- "\${words[@]}" 2>/dev/null); do
    if [ "$line" = ":files" ]; then
      compopt -o default 2>/dev/null
      COMPREPLY=()
      return
    fi
    word=\${line%%$'\\t'*}
    case $word in "$current"*) COMPREPLY+=("$word") ;; esac
  done
  case \${COMPREPLY[0]} in *=) [ \${#COMPREPLY[@]} -eq 1 ] && compopt -o nospace 2>/dev/null ;; esac
  if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "$current"; fi
}
complete -F _gantry gantry
`;

const zsh = `#compdef gantry
# gantry completion zsh, to be sourced: source <(gantry completion zsh)
_gantry() {
  local -a lines candidates
  local line
  lines=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    if [[ $line == ":files" ]]; then
      _files
      return
    fi
    [[ -n $line ]] && candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -t gantry gantry candidates
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _gantry "$@"; else compdef _gantry gantry; fi
`;

const fish = `# gantry completion fish, to be sourced: gantry completion fish | source
function __gantry_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    if test "$lines" = ":files"
        __fish_complete_path (commandline -ct)
    else
        string join \\n -- $lines
    end
end
complete -c gantry -f -a '(__gantry_complete)'
`;

export const scripts = { bash, zsh, fish } as const;
