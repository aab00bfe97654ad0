# Check a receipt: that the log's tree has the envelope.

hash() { # prints the SHA-256 of standard input in hex
  sha256sum | cut -c -64
}

require_logged() { # SUBMISSION RECEIPT: fails unless the receipt's proof leads from the envelope to the root
  local proof index size root below=0 level=0 node sibling pair bits
  mapfile -t proof < <(jq -r '.proof | split("\n\n")[0]' <<<"$2")
  { read -r _; read -r size; read -r root; } < <(jq -r '.proof | split("\n\n")[1]' <<<"$2")
  index=${proof[1]#index }
  for ((bits = index ^ (size - 1); bits; bits >>= 1)); do below=$((below + 1)); done
  node=$({ printf '\0'; jq -cj .envelope <<<"$1"; } | hash)
  for sibling in "${proof[@]:2}"; do
    sibling=$(base64 -d <<<"$sibling" | od -An -tx1 | tr -d ' \n')
    # Above `below` the path runs along the right edge of the tree, where every sibling is on the left.
    if ((level >= below || index >> level & 1)); then pair=$sibling$node; else pair=$node$sibling; fi
    node=$({ printf '\1'; basenc --base16 -d <<<"${pair^^}"; } | hash)
    level=$((level + 1))
  done
  root=$(base64 -d <<<"$root" | od -An -tx1 | tr -d ' \n')
  [ "$node" = "$root" ] || { echo "the log's tree has another entry there" >&2; return 1; }
}
