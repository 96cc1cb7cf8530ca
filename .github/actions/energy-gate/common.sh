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

# end_without_verdict WHAT STATUS: outputs, an annotation and the summary of a job in which the gate
# came to no verdict. Status 1 means a gate that failed, so a crash, which ends with 1, becomes 2.
end_without_verdict() {
  local status=$2 verdict=error said
  if [ "$status" -le 1 ]; then status=2; fi
  if [ "$status" = 3 ]; then verdict=invalid; fi
  said="$1 ended with exit status $2; its log says why."
  printf 'verdict=%s\nexit-code=%s\n' "$verdict" "$status" >>"$GITHUB_OUTPUT"
  printf '## ⛔ Energy gate %s\n\n%s\n' "$verdict" "$said" >>"$GITHUB_STEP_SUMMARY"
  printf '::error title=Energy gate%%3A %s::%s\n' "$verdict" "$said"
  exit "$status"
}
