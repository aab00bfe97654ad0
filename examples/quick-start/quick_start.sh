# Sign in, offer, accept, verify: SENDER_KEY=0x... RECEIVER_KEY=0x... bash quick_start.sh URL CASE ITEM AGENCY
set -euo pipefail
here=$(dirname "$0") api=$1/api/v1 case_id=$2 item=$3 agency=$4
signer=${SIGNER:-python3 $here/sign.py}
source "$here/verify.sh"

post() { # PATH [HEADER...]: posts standard input and prints the answer; a refusal names the field and what to do
  local answer
  answer=$(curl -sS --fail-with-body --json @- "$api/$1" "${@:2}") || { echo "$answer" >&2; return 1; }
  printf '%s' "$answer"
}

record() { # EVENT_TYPE BODY: drafts, signs and records it by $SIGNING_KEY; leaves the submission in $submission
  local challenge signature token draft
  challenge=$(jq -n --arg key "$($signer address)" '{key_id: $key}' | post sign-in/challenge)
  signature=$(jq -j .message <<<"$challenge" | $signer text)
  token=$(jq --arg by "$signature" '{nonce, signature: $by}' <<<"$challenge" | post sign-in/token | jq -r .access_token)
  draft=$(jq -n --arg type "$1" --arg id "$case_id" --argjson body "$2" \
    '{event_type: $type, stream: {kind: "case", id: $id}, body: $body}' | post drafts -H "Authorization: Bearer $token")
  jq -r .sentence <<<"$draft" # what is signed
  signature=$(jq .typed_data <<<"$draft" | $signer typed)
  submission=$(jq -cj --arg by "$signature" '.submission | .envelope.signature = $by' <<<"$draft")
  require_logged "$submission" "$(printf '%s' "$submission" | post events)"
}

export SIGNING_KEY=$SENDER_KEY
record handover.offered "$(jq -n --arg to "$agency" --arg item "$item" \
  '{to_agency: $to, purpose: "prosecution_review", items: [{item_id: $item}]}')"
export SIGNING_KEY=$RECEIVER_KEY
record handover.accepted "$(jq --arg now "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
  '.payload.body | {handover_id, received_at: $now, rest_as_listed: true}' <<<"$submission")"
