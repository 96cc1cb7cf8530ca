# shellcheck shell=bash disable=SC2178
# What the steps of the action share: inputs as arguments, and how a step ends.
# Inputs come as variables of the environment and stay data: nothing here expands or evaluates them.

# given TEXT: whether there is more in it than white space.
given() {
  [[ $1 =~ [^[:space:]] ]]
}

# refuse MESSAGE: wrong usage of the action.
refuse() {
  printf '::error title=Energy gate::%s\n' "$1"
  exit 2
}

# add_lines ARRAY PREFIX TEXT: every line that is not blank joins the array, behind the prefix.
add_lines() {
  local -n to="$1"
  local line
  while read -r line; do
    line=${line%$'\r'}
    line=${line%"${line##*[![:space:]]}"}
    if given "$line"; then to+=("$2$line"); fi
  done <<<"$3"
}

# add_words ARRAY NAME TEXT: every word joins the array. Quotes, and a backslash at the end of a line,
# are as in a shell; nothing is expanded.
add_words() {
  local -n to="$1"
  local split word text=${3//$'\r'/}
  text=${text//$'\\\n'/ }
  split=$(mktemp)
  printf '%s' "$text" | xargs -r printf '%s\0' >"$split" || refuse "$2: a quote is not closed."
  while IFS= read -r -d '' word; do to+=("$word"); done <"$split"
  rm -f "$split"
}

# add_option ARRAY NAME VALUE: the option, where a value is given.
add_option() {
  local -n to="$1"
  if given "$3"; then to+=("$2=$3"); fi
}

# add_limits ARRAY: what the gate holds results to, as its options.
add_limits() {
  add_option "$1" --policy "$INPUT_POLICY"
  add_lines "$1" --max= "$INPUT_MAX"
  add_lines "$1" --min= "$INPUT_MIN"
  add_option "$1" --min-stars "$INPUT_MIN_STARS"
  add_option "$1" --baseline "$INPUT_BASELINE"
  add_option "$1" --max-regression "$INPUT_MAX_REGRESSION"
  add_option "$1" --on-inconclusive "$INPUT_ON_INCONCLUSIVE"
  add_lines "$1" --allow= "$INPUT_ALLOW"
  add_option "$1" --scale "$INPUT_SCALE"
}

# heard LOG COMMAND...: the command, with a copy of its stderr in the file LOG.
heard() {
  local log=$1
  shift
  { "$@" 2>&1 >&3 | tee -a "$log" >&2; } 3>&1
}

# end_without_verdict WHAT STATUS LOG: outputs, an annotation and the summary of a job in which the
# gate came to no verdict, with the last error in the log. Status 1 means a gate that failed, so a
# crash, which ends with 1, becomes 2.
end_without_verdict() {
  local status=$2 verdict=error said why
  if [ "$status" -le 1 ]; then status=2; fi
  if [ "$status" = 3 ]; then verdict=invalid; fi
  said="$1 ended with exit status $2"
  # One line of plain text: in the summary it is indented code, in the annotation it is escaped.
  why=$(sed -n $'s/\x1b\\[[0-9;]*m//g; s/^error: //p' "$3" | tail -n 1 | tr -d '[:cntrl:]' | head -c 1000)
  if [ -z "$why" ]; then why="its log says why."; fi
  printf 'verdict=%s\nexit-code=%s\n' "$verdict" "$status" >>"$GITHUB_OUTPUT"
  printf '## ⛔ Energy gate %s\n\n%s:\n\n    %s\n' "$verdict" "$said" "$why" >>"$GITHUB_STEP_SUMMARY"
  printf '::error title=Energy gate%%3A %s::%s: %s\n' "$verdict" "$said" "${why//%/%25}"
  exit "$status"
}
